"""The OpenAPI documents: data in YAML, one file per topic, and what makes one document of them."""
