"""The `leadloop` command."""


def main() -> None:
    raise SystemExit("leadloop: the command is not built yet")
