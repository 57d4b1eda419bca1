"""What each setting does, for people: docs/operate.md has it as a table, the console as a page.

`uv run python -m tests.settings_table` writes the table anew.
"""
# ruff: noqa: RUF001 (Chinese has commas of its own)

from relay.desk.setting_row import ToldSetting

TOLD = (
    ToldSetting(
        ("RELAY_DATABASE_URL",),
        "embedded",
        "Postgres 15+, `postgresql://user:password@host/name`; of a failover pair "
        "`@host,host:5433/name`",
        "Postgres 15 或更新版本，`postgresql://user:password@host/name`；主备对写作 `@host,host:5"
        "433/name`",
    ),
    ToldSetting(
        ("RELAY_DATABASE_POOL_URL",),
        "none",
        "the same database by a pooler in transaction mode, for all but hot statements and "
        "migrations (see above)",
        "同一数据库经事务模式连接池（如 PgBouncer）的地址，除热点语句和迁移外均走它",
    ),
    ToldSetting(
        ("RELAY_DATABASE_CONNECTIONS",),
        "`12`",
        "the most that one process has open to Postgres, 7 to 12, each opened at its first use; "
        "below 9, holds and charges wait for each other",
        "单个进程最多打开的 Postgres 连接数，7 到 12，首次使用时才打开；低于 9 时冻结与扣费会互相"
        "等待",
    ),
    ToldSetting(
        ("RELAY_DATA_DIR",),
        "`/var/lib/kling-relay` as root, else `~/.local/share/kling-relay`",
        "the embedded Postgres and its secret key; as root it runs as the user `kling-relay-db`, "
        "made if need be, and lets in that user and root alone (peer)",
        "内嵌 Postgres 及其密钥的目录；以 root 运行时使用用户 `kling-relay-db`（必要时创建），只"
        "允许该用户和 root 进入",
    ),
    ToldSetting(
        ("RELAY_SECRET_KEY",),
        "made beside the embedded database",
        "`id:key,id:key`: seals stored keys, signs callback paths; the first one writes. `relay "
        "secret-key` makes one",
        "`id:key,id:key`：加密保存的密钥并签名回调路径，第一个用于写入。用 `relay secret-key` 生成",
    ),
    ToldSetting(
        ("RELAY_KLING_PREFIXES",),
        "none",
        "what may stand in front of Kling's paths beside `/kling`, such as `klingai`; comma "
        "separated",
        "除 `/kling` 外可放在 Kling 路径前的前缀，如 `klingai`，以逗号分隔",
    ),
    ToldSetting(
        ("RELAY_STUDIO",),
        "`false`",
        "tenants may use the friendly paths, `/api/kling/` and `/api/v1/` ([studio.md](studio.md))",
        "租户可使用更易用的路径 `/api/kling/` 与 `/api/v1/`",
    ),
    ToldSetting(
        ("RELAY_STUDIO_DAYS",),
        "`30`",
        "for how many days after its end it is kept what a task of the studio's was asked with",
        "studio 任务结束后，其输入内容保留的天数",
    ),
    ToldSetting(
        ("RELAY_STUDIO_REUSE_DAYS",),
        "`30`",
        "how old a result may be that is given again at no charge (`reuse_days`); `0` is none",
        "租户要求复用（`reuse_days`）时，可免费再次给出的结果最多允许多少天前生成；`0` 为不复用",
    ),
    ToldSetting(
        ("RELAY_STUDIO_PROMPTS",),
        "none",
        "a file of texts that go before those of `relay/studio/prompts.toml`",
        "提示词模板文件，其中的文本优先于 `relay/studio/prompts.toml`",
    ),
    ToldSetting(
        ("RELAY_STUDIO_TEMPLATES",),
        "none",
        "a folder of workflows that go before the package's, file by file"
        " ([templates.md](templates.md))",
        "工作流模板目录，其中的同名文件优先于内置模板（[templates.md](templates.md)）",
    ),
    ToldSetting(
        ("RELAY_PORTAL",),
        "`false`",
        "tenants have pages at `/portal` of the public listener ([portal.md](portal.md))",
        "租户可在公共监听的 `/portal` 使用自助页面",
    ),
    ToldSetting(
        ("RELAY_PORTAL_NAME",),
        "`Portal`",
        "what these pages are called: yours",
        "这些页面的名称：填写您自己的",
    ),
    ToldSetting(
        ("RELAY_PORTAL_LOGO",),
        "",
        "a file to show beside it: png, jpg, webp or svg, at most 256 KiB",
        "显示在名称旁的图片文件：png、jpg、webp 或 svg，最大 256 KiB",
    ),
    ToldSetting(
        ("RELAY_PUBLIC_URL",),
        "none: callbacks off",
        "where Kling reaches this relay",
        "Kling 访问本中转的地址",
    ),
    ToldSetting(
        ("RELAY_HOST", "RELAY_PORT"),
        "`127.0.0.1`, `8700`",
        "where `serve` shows tenants the relay",
        "`serve` 面向租户监听的地址和端口",
    ),
    ToldSetting(
        ("RELAY_OFFICE_HOST", "RELAY_OFFICE_PORT"),
        "`127.0.0.1`, `8790`",
        "where it shows operators their pages, and never tenants; the first `serve` of a machine "
        "has them. Answers to addresses, `localhost` and the name given here",
        "面向操作员的页面地址，租户永远看不到；每台机器由第一个 `serve` 提供。只响应 IP 地址、`lo"
        "calhost` 和此处填写的名称",
    ),
    ToldSetting(
        ("RELAY_OWNERS_NEED_CODE",),
        "`false`",
        "owners log in to [the console](console.md) with a second factor only (`relay operator "
        "second-factor NAME`): without one, their password opens nothing",
        "所有者登录控制台必须使用两步验证；没有设置时，仅凭密码无法登录",
    ),
    ToldSetting(
        ("RELAY_TRUSTED_PROXIES",),
        "`127.0.0.1`",
        "whose `X-Forwarded-For` is believed",
        "信任哪些地址的 `X-Forwarded-For`",
    ),
    ToldSetting(
        ("RELAY_CALLBACK_ALLOW",),
        "none",
        "addresses or networks (at most a /8, of IPv6 a /7), comma separated, that tenants' "
        "callbacks may go to though they are not public",
        "允许租户回调到的非公网地址或网段（最大 /8，IPv6 最大 /7），以逗号分隔",
    ),
    ToldSetting(
        ("RELAY_CURRENCY",),
        "`USD`",
        "`USD`, `CNY` or a word such as `points`; fixed with the first ledger entry, and every "
        "command refuses another one",
        "`USD`、`CNY` 或 `points` 之类的词；第一笔入账后固定，之后的命令都拒绝其他币种",
    ),
    ToldSetting(
        ("RELAY_TIMEZONE",),
        "`UTC`",
        "IANA name, such as `Asia/Shanghai`: where the days and months of [usage](#usage) and "
        "[statements](#statements) begin, and whose hours of the day and dates "
        "[prices](prices.md#when) are set for; all else is shown in UTC",
        "IANA 名称，如 `Asia/Shanghai`：用量与账单的日、月从何时开始，价格按哪里的钟点和日期设置"
        "；其余均以 UTC 显示",
    ),
    ToldSetting(
        ("RELAY_LANGUAGE",),
        "`en`",
        "`en` or `zh`: of [pages](console.md) for browsers that ask for neither and in which none "
        "was chosen, and of alerts; what the API, commands and logs say is English",
        "`en` 或 `zh`：浏览器未要求其中一种、也没有人选择时，页面所用的语言，以及告警消息的语言；"
        "API、命令和日志始终为英文",
    ),
    ToldSetting(
        ("RELAY_CLOSE_AFTER_DAYS",),
        "`5`",
        "so many days after a month a worker closes it; `0`: by `relay statement close` alone",
        "月末后多少天由 worker 自动月结；`0`：只用 `relay statement close` 手动月结",
    ),
    ToldSetting(
        ("RELAY_VIDEO_UNIT_PRICE", "RELAY_IMAGE_UNIT_PRICE"),
        "Kling's list price (0.14 and 0.0035 USD, 1 and 0.025 CNY)",
        "list price of one unit; required for another currency",
        "每个资源单位的目录价；使用其他币种时必填",
    ),
    ToldSetting(
        ("RELAY_BODY_LIMIT_MB",),
        "`100`",
        "largest request body, at most 1024",
        "请求体上限，最大 1024",
    ),
    ToldSetting(
        ("RELAY_BODY_BUDGET_MB",),
        "`256`",
        "bodies in memory at a time, and one body beyond; one tenant gets half, and one body",
        "同时占用内存的请求体总量，另加一个；单个租户可用一半，另加一个",
    ),
    ToldSetting(
        ("RELAY_KLING_TIMEOUT_S", "RELAY_SUBMIT_TIMEOUT_S"),
        "`60`, `90`",
        "one call to Kling; one submit with all its channels",
        "单次调用 Kling 的时限；一次提交（含依次尝试各渠道）的时限",
    ),
    ToldSetting(
        ("RELAY_SUBMIT_RETRY_S",),
        "`20`",
        "how long a submit that surely made nothing (not sent, refused because of the account, "
        "429/1302) is tried again, at growing pauses; `0` is once on each channel. With all "
        "slots taken the answer is 429/1303 at once",
        "确定未生成任务的提交（未发出、因账号被拒、429/1302）重试多久，间隔递增；`0` 表示每个渠道"
        "只试一次。并发全部占满时立即返回 429/1303",
    ),
    ToldSetting(
        ("RELAY_ROOM_SCOPE",),
        "`model`",
        "what a channel's slots are counted over, `model` or `pack`: Kling's documents say both, "
        "and what its 1303 shows goes before ([Channels](#channels-your-kling-accounts))",
        "渠道并发按什么计数，`model` 或 `pack`：Kling 文档两种说法都有，以其 1303 的实际表现为准",
    ),
    ToldSetting(
        ("RELAY_REFRESH_S",),
        "3 s, or 30 s where callbacks arrive",
        "least time between two questions to Kling about one live task; `0` asks at every GET",
        "对同一进行中任务两次询问 Kling 的最短间隔；`0` 表示每次 GET 都询问",
    ),
    ToldSetting(
        ("RELAY_FREE_CALLS_PER_S",),
        "`5`",
        "a tenant's calls that cost nothing (selections, deletes, presets that are not "
        "remembered) and are passed to Kling, ten seconds' worth of them at once; beyond it "
        "429/1302. Each process counts by itself: four of them let four times as many through, "
        "and Kling limits your account as a whole",
        "单个租户转发给 Kling 的免费调用（选择、删除、未缓存的预设）每秒次数，可一次用完十秒的量"
        "；超出返回 429/1302。各进程分别计数：四个进程即四倍，而 Kling 限制的是整个账号",
    ),
    ToldSetting(
        ("RELAY_LOST_LOOKS", "RELAY_LOST_AFTER_S"),
        "`3`, `600`",
        'a submit without a verdict is released after this many "Task not found" over this long',
        "没有结论的提交，在这段时间内这么多次“任务不存在”后释放冻结",
    ),
    ToldSetting(
        ("RELAY_UNCONFIRMED_LOST_AFTER_S",),
        "`86400`",
        "the same on an account where `relay channel try` has not yet seen a task found by our "
        "external id; such a release is flagged",
        "同上，用于 `relay channel try` 尚未证实能按外部 ID 查到任务的账号；这样的释放会被标记",
    ),
    ToldSetting(
        ("RELAY_UNDERQUOTED",),
        "`hold`",
        "what becomes of a price row for which Kling takes more than is held, five times in an "
        "hour: `hold`, `charge` or `pause` ([prices.md](prices.md#what-is-charged))",
        "某价格行在一小时内五次被 Kling 扣得比冻结的多时如何处理：`hold`、`charge` 或 `pause`",
    ),
    ToldSetting(
        ("RELAY_AUDIT_EVERY_S",),
        "`3600`",
        "how often the worker recomputes the books",
        "worker 多久重算一次账目",
    ),
    ToldSetting(
        ("RELAY_KEEP_DELIVERIES_DAYS",),
        "`90`",
        "how long ended deliveries to tenants are kept, with their attempts",
        "已结束的回调投递及其尝试保留多久",
    ),
    ToldSetting(
        ("RELAY_KEEP_EVENTS_DAYS",),
        "`365`",
        "how long a task's events are kept, once their raw bodies are gone; and the moves of the"
        " studio's tasks, from which their streams go on",
        "任务事件保留多久（原始报文清除之后）；以及创作接口任务的进展记录保留多久，断开的事件流凭此续传",
    ),
    ToldSetting(
        ("RELAY_KEEP_OWNERS_DAYS",),
        "`30`",
        "how long it is known whose a video, audio or session was, after Kling forgot it",
        "Kling 清除视频、音频或会话之后，其归属信息保留多久",
    ),
    ToldSetting(
        ("RELAY_KEEP_CALLBACK_URLS_DAYS",),
        "`30`",
        "how long `user:password@` and the query of a tenant's callback URL are kept, sealed, "
        "after the last delivery; nothing is sent or replayed to it afterwards",
        "最后一次投递后，租户回调地址中的 `user:password@` 和查询参数加密保留多久；之后不再向其发"
        "送或重发",
    ),
    ToldSetting(
        ("RELAY_NEW_API_PATHS",),
        "`false`",
        "new-api's own paths are served too ([moving-in.md](moving-in.md#new-apis-own-paths))",
        "同时提供 new-api 自己的路径",
    ),
    ToldSetting(
        ("RELAY_KEEP_ADDRESSES_DAYS",),
        "`90`",
        "how long it is kept from which address a task was created; `0` keeps none",
        "创建任务的来源地址保留多久；`0` 表示不保留",
    ),
    ToldSetting(
        ("RELAY_KEEP_RAW_DAYS",),
        "`30`",
        "how long raw replies, callbacks and attempts to deliver are kept",
        "原始应答、回调和投递尝试保留多久",
    ),
    ToldSetting(
        ("RELAY_BACKUP_TO",),
        "none: no backups",
        "a folder (full path) or `s3://bucket/folder` in which a worker keeps [backups](#backups)",
        "worker 保存备份的文件夹（完整路径）或 `s3://bucket/folder`",
    ),
    ToldSetting(
        ("RELAY_BACKUP_EVERY_S",),
        "`86400`",
        "how often one is made; after one that failed it is tried again in 15 minutes",
        "多久备份一次；失败后 15 分钟再试",
    ),
    ToldSetting(
        ("RELAY_BACKUP_KEEP",),
        "`14`",
        "how many of this database are kept there; older ones are deleted",
        "在那里保留本数据库的多少份备份，更旧的会删除",
    ),
    ToldSetting(
        ("RELAY_ASSET_STORE",),
        "the folder `assets` in `RELAY_DATA_DIR`",
        "where [kept files](assets.md) lie: a folder, or `s3://bucket/folder` of whatever speaks "
        "S3, reached as backups are. Several processes need one that all of them reach",
        "存放[保留的文件](assets.md)的位置：一个文件夹，或任何兼容 S3 的 `s3://bucket/folder`（访问"
        "方式与备份相同）。多个进程须共用同一处",
    ),
    ToldSetting(
        ("RELAY_ASSET_URL",),
        "`RELAY_PUBLIC_URL`",
        "where links to kept files lead, such as `https://files.example.com`: an origin of its "
        "own, which alone serves them then",
        "保留文件的链接指向的地址，例如 `https://files.example.com`：单独的源，设置后只有它提供这"
        "些文件",
    ),
    ToldSetting(
        ("RELAY_ASSET_LINK_DAYS",),
        "`7`",
        "how many days a link to a kept file is good, 1 to 7",
        "保留文件的链接有效多少天，1 到 7",
    ),
    ToldSetting(
        ("RELAY_ASSET_UPLOAD_DAYS",),
        "`7`",
        "how many days [a file that a tenant sends](assets.md#files-that-tenants-send) is kept; "
        "`0` takes none",
        "[租户上传的文件](assets.md#files-that-tenants-send)保留多少天；`0` 表示不接受上传",
    ),
    ToldSetting(
        ("RELAY_ASSET_UPLOAD_GB",),
        "`10`",
        "how many GB of [files that it sent](assets.md#files-that-tenants-send) a tenant may have "
        "that has no bound of its own (`--keep-gb`)",
        "没有自己的上限（`--keep-gb`）的租户最多可保留多少 GB "
        "[自己上传的文件](assets.md#files-that-tenants-send)",
    ),
    ToldSetting(
        ("RELAY_ASSET_GB_MONTH",),
        "none",
        "what 10^9 bytes of files cost that are kept for a month, in the relay's currency: "
        "[charged](assets.md#what-it-costs) once the month is over; none: nothing",
        "每 10^9 字节文件保存一个月的价格（本系统货币），月末后"
        "[计费](assets.md#what-it-costs)；不设置则免费",
    ),
    ToldSetting(
        ("RELAY_ASSET_REDIRECTS",),
        "`false`",
        "whether who follows a link is led to the bucket, by a URL that it signs, good for 15 "
        "minutes; only where clients reach the bucket",
        "访问链接时是否跳转到存储桶自己签名的地址（15 分钟内有效）；仅在客户端能访问存储桶时使用",
    ),
    ToldSetting(
        ("RELAY_ALERT_HEARTBEAT_URL",),
        "none",
        "asked for each minute by a worker that has judged the rules of [alerts](#alerts), for a "
        "service that calls you when it hears nothing",
        "worker 每分钟判断完告警规则后请求一次的地址，供“长时间没有消息就呼叫您”的服务使用",
    ),
    ToldSetting(
        ("RELAY_MAIL_URL",),
        "none: no mail",
        "`mailtos://USER:PASSWORD@HOST?from=ADDRESS` (`mailto://` without TLS): the server by "
        "which [notices](#notices-to-tenants) go to tenants by mail",
        "`mailtos://USER:PASSWORD@HOST?from=ADDRESS`（不加密为 `mailto://`）：向租户发送通知邮件"
        "的服务器",
    ),
    ToldSetting(
        ("RELAY_DRAIN_S",),
        "`30`",
        "within how long SIGTERM ends the process; submits, and what is being sent from the "
        "queue, have all but the last 4 s of it, and half of less than 8",
        "收到 SIGTERM 后多少秒内结束进程；进行中的提交和排队中正在发送的可用到最后 4 秒之前，少于"
        " 8 秒时为一半",
    ),
    ToldSetting(
        ("RELAY_LOG_LEVEL",),
        "`info`",
        "`debug`, `info`, `warning`, `error`",
        "`debug`、`info`、`warning`、`error`",
    ),
)
