"""The commands by subject: setup (demo, world, import, serve), learning (train to rollback), leads (score, outcomes), channels
(attribution), features, files (snapshot)."""
