"""Audits of visitors: the queue's job, and what came of it."""
