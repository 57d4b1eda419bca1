"""What operators and their programs ask the office: `/admin/v1`, a face of the desk.

Guarantees:
- Nobody without an operator's token learns anything, not even which paths there are.
- Each refusal of somebody is in `changes`, and nobody can fill that table by being refused.
- Errors are `application/problem+json`; the document at `/admin/v1/openapi.json` has them all.
"""
