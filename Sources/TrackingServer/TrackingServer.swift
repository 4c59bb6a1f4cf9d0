// TrackingServer
