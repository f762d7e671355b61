"""The verifier's service: requests and answers of OpenID4VP 1.0 over HTTP. Needs the extra ``server``."""
