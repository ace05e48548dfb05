"""The calls of the API, one file per subject. Each has ``routes(parts)``: they translate, they do not think."""
