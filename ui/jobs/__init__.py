"""Audits of visitors: what is dropped, the queue's job, the wait, and what came of it."""
