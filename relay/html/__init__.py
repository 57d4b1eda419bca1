"""What pages in a browser are made of, whether operators see them or tenants.

A site (`relay/console`, `relay/portal`) is a folder of templates below one path, with a cookie of
its own. What all sites have alike is here: the gate, forms, words in each language, how amounts and
moments are spelled, and the look.
"""
