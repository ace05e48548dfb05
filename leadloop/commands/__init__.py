"""The commands by subject: setup (demo, world, import, serve), learning (train to rollback), features, leads (score, outcomes, report)."""
