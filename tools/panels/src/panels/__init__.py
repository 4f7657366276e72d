"""Checks that every panel of the dashboards has data, and draws the dashboards."""
