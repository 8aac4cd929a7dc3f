package main

func setUpCgroups() error { return nil }
func raiseLimits() error  { return nil }
