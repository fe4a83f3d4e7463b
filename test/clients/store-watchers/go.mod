module podium.dev/test/clients/store-watchers

go 1.25.0
