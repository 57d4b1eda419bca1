"""Settings: a file, the environment over it, and one clear sentence for every wrong value."""

from decimal import Decimal
from pathlib import Path

import pytest

from relay.machine import Machine
from relay.settings import Settings, SettingsError, names_database, read_settings

MARKER = "s3cret-marker"
WRONG = {
    "DATABASE_URL": ["mysql://u@h/d", "/var/lib/x.sqlite", "localhost"],
    "DATABASE_POOL_URL": ["mysql://u@h/d", "postgresql://u@h/d"],  # the latter alone
    "PUBLIC_URL": [
        *("relay.example.com", "ftp://relay.example.com", "https://", "https://a/?x=1"),
        *("https://a/#x", "http://[::1", "https://a:99999", "https://a b", "https://ä.example"),
    ],
    "ALERT_HEARTBEAT_URL": ["hc-ping.com/x", "ftp://a.test/x", "https://", "https://a b"],
    "MAIL_URL": [
        *("smtp.example.com", "mailto://", "json://h", "mailto://h?to=a@b.test", "mailto://a b"),
        *("mailto://h?%74o=a@b.test", "mailto://h;to=a@b.test", "mailtos://[::1"),
    ],
    "DATABASE_CONNECTIONS": ["few", "0", "6", "13", "7.5"],
    "PORT": ["http", "1.5", "-1", "65536", "9" * 400],
    "OFFICE_PORT": ["http", "-1", "65536"],
    "TRUSTED_PROXIES": [
        *(
            "proxy",
            "10.0.0.0/99",
            "127.0.0.1,,",
            "300.0.0.1",
            "0.0.0.0/0",
            "::/0",
            "10.0.0.1, ::/1",
        ),
    ],
    "CALLBACK_ALLOW": ["*", "all", "0.0.0.0/0", "::/0", "10.0.0.0/8,128.0.0.0/1", "8000::/1", "/0"],
    "CURRENCY": ["US DOLLAR", "x" * 17, "$", "usd", "Cny"],
    "TIMEZONE": ["Shanghai", "+08:00", "../UTC", "/etc/passwd", "Asia", "x" * 300, "a\0b"],
    "VIDEO_UNIT_PRICE": ["cheap", "0", "-1", "nan", "inf", "140000000"],
    "IMAGE_UNIT_PRICE": ["", "0"],
    "BODY_LIMIT_MB": ["0", "-1", "lots", "104857600", "1000000000"],
    "BODY_BUDGET_MB": ["0", "268435456"],
    "KLING_TIMEOUT_S": ["0", "-1", "nan", "inf", "soon", "60000"],
    "SUBMIT_TIMEOUT_S": ["0", "90000"],
    "REFRESH_S": ["-1", "nan", "inf", "often", "30000"],
    "FREE_CALLS_PER_S": ["0", "501"],
    "LOST_LOOKS": ["0", "2.5", "1000000"],
    "KEEP_RAW_DAYS": ["0", "-1", "99999999"],
    "NEW_API_PATHS": ["maybe", "2"],
    "OWNERS_NEED_CODE": ["maybe", "2"],
    "KEEP_ADDRESSES_DAYS": ["-1", "1.5", "99999999"],
    "LOST_AFTER_S": ["-1", "nan", "1e12"],
    "CLOSE_AFTER_DAYS": ["-1", "1.5", "soon", "366"],
    "AUDIT_EVERY_S": ["0", "0.001", "1e9"],
    "BACKUP_TO": ["backups", "./backups", "gs://bucket/", "file:///var/backups"],
    "BACKUP_EVERY_S": ["0", "30", "1e9", "daily"],
    "BACKUP_KEEP": ["0", "-1", "2.5", "100000"],
    "DRAIN_S": ["-1", "86400"],
    "LOG_LEVEL": ["loud", "INFO!"],
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_one_sentence_that_names_it(name: str) -> None:
    """The variable as the operator wrote it, no traceback of a library's, no line break."""
    for value in filter(None, WRONG[name]):
        with pytest.raises(SettingsError) as raised:
            read_settings({f"RELAY_{name}": value})

        message = str(raised.value)
        assert message.startswith(f"RELAY_{name} "), message
        assert "\n" not in message


def test_another_currency_needs_its_unit_prices() -> None:
    """Points have no list price of Kling's, so the sentence says which setting is missing."""
    with pytest.raises(SettingsError, match="RELAY_VIDEO_UNIT_PRICE is missing"):
        read_settings({"RELAY_CURRENCY": "points"})
    with pytest.raises(SettingsError, match="RELAY_IMAGE_UNIT_PRICE is missing"):
        read_settings({"RELAY_CURRENCY": "points", "RELAY_VIDEO_UNIT_PRICE": "14"})

    settings = read_settings(
        {
            "RELAY_CURRENCY": "points",
            "RELAY_VIDEO_UNIT_PRICE": "14",
            "RELAY_IMAGE_UNIT_PRICE": "0.35",
        }
    )

    assert settings.unit_prices_micros == (14_000_000, 350_000)


@pytest.mark.parametrize(
    ("currency", "micros"), [("USD", (140_000, 3_500)), ("CNY", (1_000_000, 25_000))]
)
def test_kling_s_list_prices_are_the_default(currency: str, micros: tuple[int, int]) -> None:
    """docs/kling-api.md 10."""
    assert read_settings({"RELAY_CURRENCY": currency}).unit_prices_micros == micros


def test_nothing_set_is_the_defaults() -> None:
    """Other programs' variables, blank ones and RELAY_CONFIG="" change nothing."""
    assert read_settings({}) == Settings()
    assert read_settings({"RELAY_PORT": " ", "PORT": "1", "RELAY_CONFIG": ""}) == Settings()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("RELAY_PUBLC_URL", "RELAY_PUBLC_URL is no setting; did you mean RELAY_PUBLIC_URL?"),
        ("RELAY_VIDEO_PRICE", "did you mean RELAY_VIDEO_UNIT_PRICE?"),
        ("RELAY_CONFIG_FILE", "did you mean RELAY_CONFIG?"),
        ("RELAY_XYZZY", "RELAY_XYZZY is no setting"),
        ("RELAY_", "RELAY_ is no setting"),
        ("relay_port", "relay_port is spelt RELAY_PORT"),
        ("RELAY__PORT", "RELAY__PORT is spelt RELAY_PORT"),
        ("RELAYPUBLICURL", "RELAYPUBLICURL is spelt RELAY_PUBLIC_URL"),
        ("Relay-Secret-Key", "Relay-Secret-Key is spelt RELAY_SECRET_KEY"),
        ("RELAY_ENDPOINTS", "RELAY_ENDPOINTS can stand in the file only that RELAY_CONFIG names"),
    ],
)
def test_a_misspelt_variable_is_named(name: str, said: str) -> None:
    """It would set nothing, silently; its value, which may be a secret, is not repeated."""
    with pytest.raises(SettingsError) as raised:
        read_settings({name: MARKER, "RELAY_PORT_S": "1", "RELAY_HOST": "::1"})

    assert said in str(raised.value)
    assert "RELAY_PORT_S is no setting" in str(raised.value)
    assert MARKER not in str(raised.value)


def test_variables_that_are_not_meant_for_us_are_left_alone() -> None:
    """Those of other programs, blank ones, and what Kubernetes says of a service called `relay`."""
    others = {
        "PORT": "1",
        "MY_RELAY_PORT": "1",
        "RELAYS": "1",
        "relay": "1",
        "RELAY_OLD": " ",
        "RELAY_SERVICE_HOST": "10.0.0.1",
        "RELAY_SERVICE_PORT": "80",
        "RELAY_SERVICE_PORT_HTTP": "80",
        "RELAY_PORT_80_TCP": "tcp://10.0.0.1:80",
        "RELAY_PORT_80_TCP_ADDR": "10.0.0.1",
        "RELAY_PORT_443_UDP_PORT": "443",
    }

    assert read_settings(others) == Settings()


def test_the_environment_goes_over_the_file(tmp_path: Path) -> None:
    """Each setting by itself; the file has TOML's types, the environment text."""
    file = tmp_path / "relay.toml"
    file.write_text(
        'host = "0.0.0.0"\nport = 9000\nrefresh_s = 0\nvideo_unit_price = 0.13\n'
        'image_unit_price = "0.0030"\ndata_dir = "~/relay"\n'
    )

    settings = read_settings({"RELAY_CONFIG": str(file), "RELAY_PORT": " 9001 "})

    assert (settings.host, settings.port, settings.refresh_s) == ("0.0.0.0", 9001, 0.0)
    assert settings.unit_prices_micros == (130_000, 3_000)
    assert settings.video_unit_price == Decimal("0.13")
    assert settings.data_dir == Path("~/relay").expanduser()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"prot = 9000\n", "unknown setting 'prot'; did you mean port?"),
        (b"callback_allow = '0.0.0.0/0'\n", "CALLBACK_ALLOW"),
        (b"port = \n", "TOML"),
        (b"\xff\xfe", "TOML"),
        (b"port = 'x'\n", "port"),
        (b"[port]\nx = 1\n", "port"),
        (b"refresh_s = -1\n", "REFRESH_S"),
        (b"trusted_proxies = ''\n", "TRUSTED_PROXIES"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    """Unknown names too: a misspelt setting would be silently without effect."""
    file = tmp_path / "relay.toml"
    file.write_bytes(content)

    with pytest.raises(SettingsError) as raised:
        read_settings({"RELAY_CONFIG": str(file)})

    assert says in str(raised.value)


def test_a_file_that_is_missing_is_said(tmp_path: Path) -> None:
    """A directory as well; not ignored, or a whole configuration would be."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(SettingsError, match="RELAY_CONFIG"):
            read_settings({"RELAY_CONFIG": str(path)})


@pytest.mark.parametrize(
    "environ",
    [
        {"RELAY_DATABASE_URL": f"mysql://user:{MARKER}@host/db"},
        {"RELAY_DATABASE_URL": f"postgresql://user:{MARKER}@[host/db", "RELAY_PORT": "x"},
        {"RELAY_SECRET_KEY": MARKER, "RELAY_PORT": "x"},
    ],
    ids=str,
)
def test_no_message_shows_a_secret(environ: dict[str, str]) -> None:
    """Neither the message nor what it was raised from."""
    with pytest.raises(SettingsError) as raised:
        read_settings(environ)

    error: BaseException | None = raised.value
    while error is not None:
        assert MARKER not in str(error)
        error = error.__cause__ or error.__context__


@pytest.mark.parametrize(
    "content", [f"secret_key = ['{MARKER}']\n", f"[secret_key]\nk1 = '{MARKER}'\n"]
)
def test_no_message_about_a_file_shows_a_secret(tmp_path: Path, content: str) -> None:
    """A key of the wrong type, as a list or table is a likely mistake for `id:key,id:key`."""
    file = tmp_path / "relay.toml"
    file.write_text(content)

    with pytest.raises(SettingsError) as raised:
        read_settings({"RELAY_CONFIG": str(file)})

    assert "secret_key" in str(raised.value)
    assert MARKER not in str(raised.value)


def test_secrets_are_read_out_of_files(tmp_path: Path) -> None:
    """The whole of a file but for white space; one that names a database makes it complete."""
    for name, text in (("key", "k1:abc\n"), ("url", "postgresql://u:p@h/d\n"), ("pool", " x ")):
        (tmp_path / name).write_text(text)
    environ = {
        "RELAY_SECRET_KEY_FILE": str(tmp_path / "key"),
        "RELAY_DATABASE_URL_FILE": str(tmp_path / "url"),
    }
    installed = Machine(env_file=tmp_path / "relay.env")
    installed.env_file.write_text("RELAY_PUBLIC_URL=https://installed.example\n")

    settings = read_settings(environ, machine=installed)

    assert settings == Settings(secret_key="k1:abc", database_url="postgresql://u:p@h/d")
    assert names_database(environ)
    with pytest.raises(SettingsError, match="RELAY_DATABASE_POOL_URL must begin with postgresql"):
        read_settings(environ | {"RELAY_DATABASE_POOL_URL_FILE": str(tmp_path / "pool")})


def test_the_installed_environment_may_name_files_too(tmp_path: Path) -> None:
    """What the environment itself says goes over them, as over any line of it."""
    (tmp_path / "key").write_text("k1:abc")
    installed = Machine(env_file=tmp_path / "relay.env")
    installed.env_file.write_text(f"RELAY_SECRET_KEY_FILE={tmp_path / 'key'}\n")

    assert read_settings({}, machine=installed).secret_key == "k1:abc"
    given = {"RELAY_SECRET_KEY": "k2:def"}
    assert read_settings(given, machine=installed).secret_key == "k2:def"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "RELAY_SECRET_KEY_FILE names a file, and it cannot be read: No such file"),
        (b" \n", "RELAY_SECRET_KEY_FILE names a file, and it is empty"),
        (b"\xff", "RELAY_SECRET_KEY_FILE names a file, and it is not UTF-8"),
        (b"k1:abc", "RELAY_SECRET_KEY and RELAY_SECRET_KEY_FILE are both set"),
    ],
)
def test_a_secret_that_no_file_gives_is_one_sentence(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    """It repeats neither the secret nor the path, which a slip may make the secret."""
    file = tmp_path / MARKER
    environ = {"RELAY_SECRET_KEY_FILE": str(file)}
    if content is not None:
        file.write_bytes(content)
    if content == b"k1:abc":
        environ["RELAY_SECRET_KEY"] = MARKER

    with pytest.raises(SettingsError) as raised:
        read_settings(environ)

    error: BaseException | None = raised.value
    assert said in str(error)
    while error is not None:
        assert MARKER not in str(error)
        error = error.__cause__ or error.__context__
