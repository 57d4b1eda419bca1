"""One page for one visitor: what its templates are given, and how it is answered."""

from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response
from litestar.datastructures import Cookie
from litestar.status_codes import HTTP_303_SEE_OTHER

from relay.form_keys import new_key
from relay.html.assets import address_in
from relay.html.form import Form
from relay.html.site import Site
from relay.html.spelling import Speller
from relay.html.words import LANGUAGES, LOCALES, choose, translations
from relay.html.words.heard import hear, sentence
from relay.money import decimal_of

TEMPLATES = Path(__file__).with_name("templates")
LANGUAGE_COOKIE, THEME_COOKIE = "relay-language", "relay-theme"
THEMES = ("auto", "light", "dark")
SHOWN_ONCE = ("made", "issued", "secret", "address", "uri", "codes")
"""What templates call what is shown once: no browser is to keep such a page."""
GOES_BACK = {"cache-control": "private, no-cache"}
"""Kept by the visitor's browser alone, and asked for anew but on the way back."""
YEAR_S = 365 * 24 * 3600


@lru_cache
def environment(site: Site, language: str) -> Environment:
    """Read a site's templates for one language."""
    found = Environment(
        loader=FileSystemLoader([site.templates, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    found.install_gettext_translations(  # type: ignore[attr-defined]
        translations(language), newstyle=True
    )
    found.globals |= {
        "asset": partial(address_in, site.assets),
        "pairs": lambda values: [(value, value) for value in values],
        "labelled": lambda values, labels: [(value, labels[value]) for value in values],
        "plain": decimal_of,
        "LANGUAGES": LANGUAGES,
    }
    found.filters["decimal"] = Decimal
    found.filters["heard"] = partial(hear, language)
    return found


class SitePage(msgspec.Struct, frozen=True):
    """One request, of a visitor who was let in, or of somebody who is not yet."""

    request: Any
    site: Site
    language: str
    zone: tzinfo
    timezone: str
    """The zone's name."""
    currency: str

    @property
    def spell(self) -> Speller:
        return Speller(LOCALES[self.language], self.zone, self.currency)

    async def is_still_in(self) -> bool:
        """Tell whether the visitor would be let in again: its session may have ended meanwhile."""
        still: bool = await self.request.scope["is_still_in"]()
        return still

    def say(self, message: str, **values: object) -> str:
        """Translate a sentence of the code's, which is in the catalogues as those of templates."""
        found = translations(self.language).gettext(message)
        return found % values if values else found

    def hear(self, told: str) -> str:
        """Translate what the rest of the relay said, as the filter `heard` does in templates."""
        return hear(self.language, told)

    def sentence(self, told: str) -> str:
        """Make a whole sentence, in the visitor's language, of why something was not done."""
        return sentence(self.language, told)

    def address(self, **changed: object) -> str:
        """Spell this page's address with some of its query changed; None takes one away."""
        # A client may spell it in any bytes, and a page of what is wrong has its address too.
        query = dict(parse_qsl(self.request.scope["query_string"].decode("latin-1")))
        query.pop("said", None)
        query |= {name: str(value) for name, value in changed.items() if value is not None}
        for name in [name for name, value in changed.items() if value is None]:
            query.pop(name, None)
        path: str = self.request.scope["path"]
        return f"{path}?{urlencode(query)}" if query else path

    def moved_to(self, place: str, **changed: object) -> str:
        """Spell another address with this page's query: a list as a file, or the way back to it."""
        _, mark, query = self.address(cursor=None, **changed).partition("?")
        return f"{place}{mark}{query}"

    def compose(self, template: str, *, status: int = 200, **values: Any) -> Response[str]:
        """Answer with a template."""
        theme = self.request.cookies.get(THEME_COOKIE)
        content = (
            environment(self.site, self.language)
            .get_template(template)
            .render(
                page=self,
                root=self.site.root,
                spell=self.spell,
                visitor=self.request.scope.get("user"),
                language=self.language,
                theme=theme if theme in THEMES else "auto",
                path=self.request.scope["path"],
                now=datetime.now(UTC),
                said=self.request.query_params.get("said", ""),
                new_key=new_key,
                **values,
            )
        )
        headers = GOES_BACK if self._is_of_a_form(values) else {}
        return Response(content, status_code=status, media_type=MediaType.HTML, headers=headers)

    def _is_of_a_form(self, values: dict[str, Any]) -> bool:
        """Tell whether it shows a form again that was sent, with nothing secret in or beside it.

        A browser can go back to such an answer only where it kept it: it may not ask again.
        """
        is_answer = self.request.method == "POST" and self.request.scope.get("user") is not None
        form = values.get("form")
        shows_secret = any(values.get(name) is not None for name in SHOWN_ONCE)
        return is_answer and isinstance(form, Form) and not form.has_secret and not shows_secret

    def go(self, address: str, *, said: str | None = None) -> Response[None]:
        """Lead to another page after an act; `said`: the sentence of `parts/said.html` to show."""
        if said is not None:
            address += ("&" if "?" in address else "?") + urlencode({"said": said})
        return Response(None, status_code=HTTP_303_SEE_OTHER, headers={"location": address})

    def keep_look(self, form: Form) -> Response[None]:
        """Keep in which language, and whether light or dark, this browser wants its pages."""
        answer = self.go(self.site.own_address(form.values.get("next", self.site.root)))
        for name, field, among in (
            (LANGUAGE_COOKIE, "language", LANGUAGES),
            (THEME_COOKIE, "theme", THEMES),
        ):
            chosen = form.choice(field, among)
            if chosen is not None:
                answer.set_cookie(
                    Cookie(
                        key=name,
                        value=chosen,
                        path=self.site.root,
                        max_age=YEAR_S,
                        samesite="strict",
                        secure=self.request.scope["scheme"] == "https",
                    )
                )
        return answer


def language_of(request: Any, usual: str) -> str:
    """Say in which language a browser wants its pages; `usual`: where it does not say."""
    accepted = request.headers.get("accept-language", "")
    return choose(request.cookies.get(LANGUAGE_COOKIE), accepted, usual)
