"""What the tests are built from: real brokers, scripted brokers, both runtimes and an independent witness."""
