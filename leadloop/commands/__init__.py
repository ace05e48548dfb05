"""The commands by subject: setup (demo, world, import, serve), learning (train to rollback) and leads (score, outcomes, report)."""
