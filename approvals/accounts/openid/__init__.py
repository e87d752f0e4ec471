"""Single sign-on by OpenID Connect, on top of allauth: what the provider answers is checked before it is believed."""
