"""Invoices (fapiao) that accounts ask for, over what they paid or over their closed months.

Guarantees, each a constraint of the database:
- A top-up, a correction of one, or a closed month stands on one invoice at a time that is requested
  or issued; who rejects or reverses an invoice frees what it covers.
- An account is invoiced by its top-ups or by its months, never by both: the same money is paid once
  and used once.
- A number is one invoice's for ever.

No tax is reckoned here. Amounts are what was paid or charged.
"""
