"""The InfluxDB projection, against a real InfluxDB."""
