"""The part of axe-playwright-python that the tests use."""
