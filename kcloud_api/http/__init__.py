"""What every HTTP service shares: request context, one transaction a request, error shapes, policy."""
