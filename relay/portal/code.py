"""A request as code that somebody takes along, in the languages that tenants' programs are of."""

KEY = "KLING_API_KEY"


def as_code(base_url: str, path: str, body: str) -> dict[str, str]:
    """Spell one create; `body`: JSON over several lines. By language."""
    url = f"{base_url.rstrip('/')}{path}"
    return {
        "curl": f"""curl -X POST {url} \\
  -H "Authorization: Bearer ${KEY}" \\
  -H "Content-Type: application/json" \\
  -d {_quoted(body)}
""",
        "Python": f"""import json
import os
import httpx

body = json.loads(r'''{_escaped(body)}''')
answer = httpx.post(
    "{url}",
    headers={{"Authorization": f"Bearer {{os.environ['{KEY}']}}"}},
    json=body,
    timeout=120,
)
print(answer.json())
""",
        "TypeScript": f"""const body = {body};

const answer = await fetch("{url}", {{
  method: "POST",
  headers: {{
    "Authorization": `Bearer ${{process.env.{KEY}}}`,
    "Content-Type": "application/json",
  }},
  body: JSON.stringify(body),
}});
console.log(await answer.json());
""",
    }


def _escaped(body: str) -> str:
    """Spell JSON so that it ends no text of Python's."""
    return body.replace("'", "\\u0027")


def _quoted(text: str) -> str:
    """Quote for a shell."""
    return "'" + text.replace("'", "'\\''") + "'"
