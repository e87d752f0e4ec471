"""Signing in: who somebody is, by password, second factor or single sign-on; their sessions; proving it again.

`views/` has the pages, `services/` what writes, `openid/` what is asked of the provider, `backends.py` and
`adapters.py` what Django and allauth call, `sessions.py` what a browser's session stores.
"""
