"""Files that stay after Kling purged them: results that a tenant has copied.

- Whatever happens here touches no money and no task: a task is charged and told before its files
  are looked at, and a copy that fails leaves Kling's URL where it was.
- What a row calls `stored` is in the store, whole: it was put there before the row said so. What is
  deleted is first no row's any more, and then taken out of the store.
- Content is kept once for a tenant, and never shared with another one's.
"""
