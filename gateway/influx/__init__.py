"""InfluxDB beside the block store: readings, terms, usage and promises in one place, for pictures and for Flux.

Nothing here is imported unless `influx.url` is set. docs/influxdb.md describes what stands in InfluxDB.
"""
