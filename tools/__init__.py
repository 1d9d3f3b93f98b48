"""What runs on the host around the module: finders, the build, the tests' runner, the demo."""
