"""The streaming shell: the stages as Faust workers on Kafka, one consumer group per role."""
