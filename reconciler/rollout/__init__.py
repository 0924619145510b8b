"""Who may be in now: waves, gates, calendars. Pure; the stage between what is live and what differs."""
