"""A relay as a file: channels, tenants, prices, alerts and operators, put in force and written.

Guarantees:
- All of a file or nothing, in one transaction of acts; the plan is that transaction, taken back.
- A file of what stands is nothing to do where it stands, and makes the same of an empty relay.
- No secret is in a file.
"""
