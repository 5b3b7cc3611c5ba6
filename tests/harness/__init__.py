"""What the integration and end-to-end tests share: the daemon under test, its clients, and waiting."""
