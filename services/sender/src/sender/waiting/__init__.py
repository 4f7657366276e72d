"""Sends that wait in MongoDB: parked lanes and schedules."""
