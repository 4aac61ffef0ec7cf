import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;

/**
 * Spend per key and minute with Kafka Streams, one thread, run by `side_by_side`.
 *
 * <p>Arguments: broker, topic, how many messages there are, a folder for its state. Prints the
 * messages a second, from the first to the last.
 */
public final class SpendPerKey {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static long startedAt;
    private static long seen;

    public static void main(String[] words) throws InterruptedException {
        long messages = Long.parseLong(words[2]);
        CountDownLatch over = new CountDownLatch(1);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(words[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .mapValues(SpendPerKey::cost)
                .groupByKey(Grouped.with(Serdes.String(), Serdes.Double()))
                .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofDays(1)))
                .aggregate(
                        () -> 0.0,
                        (key, cost, sum) -> sum + cost,
                        Materialized.with(Serdes.String(), Serdes.Double()))
                .toStream()
                .foreach((window, sum) -> count(messages, over));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings(words[0], words[3]));
        streams.start();
        over.await();
        System.out.println(messages / ((System.nanoTime() - startedAt) / 1e9));
        streams.close(Duration.ofSeconds(10));
    }

    private static Properties settings(String broker, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "streams-" + System.nanoTime());
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put("auto.offset.reset", "earliest");
        // every message gives a new sum, as it does with the others
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        return settings;
    }

    private static double cost(byte[] event) {
        try {
            return JSON.readTree(event).path("cost_usd").asDouble(0.0);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static void count(long messages, CountDownLatch over) {
        if (++seen == 1) {
            startedAt = System.nanoTime();
        }
        if (seen == messages) {
            over.countDown();
        }
    }
}
