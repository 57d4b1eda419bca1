"""People in browsers: the sessions of pages, one-time links, passwords and second factors.

Guarantees:
- Of a session and of a link only a hash is stored; the secret is drawn here and shown once.
- A session ends by itself: when nobody used it for 12 hours, and after a week whatever happens.
- A link, and a code of a second factor, is good once, however many show it at one moment.
"""
