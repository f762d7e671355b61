"""The issuer's service: an OpenID4VCI 1.0 credential issuer and its OAuth authorization server. Needs ``server``."""
