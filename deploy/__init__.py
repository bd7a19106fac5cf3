"""What the one-shot jobs of `docker-compose.yml` run: `python -m deploy.<job>`."""
