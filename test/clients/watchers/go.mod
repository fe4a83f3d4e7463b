module podium.dev/test/clients/watchers

go 1.25.0
