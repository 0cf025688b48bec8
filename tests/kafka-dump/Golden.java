// Wrote commit-log/tests/golden/t-0, the checkpoint beside it, and commit-log/tests/data/java-none.batch, with Apache
// Kafka's own classes. Run once, by hand: java -cp "$HOME/.cache/trimaran/kafka-jars/*" tests/kafka-dump/Golden.java DIR

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.*;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

public class Golden {
    static final long START = 1700000000000L;

    public static void main(String[] arguments) throws Exception {
        File folder = new File(arguments[0], "t-0");
        Files.createDirectories(folder.toPath());
        var failures = new LogDirFailureChannel(1);
        var config = new LogConfig(Map.of("internal.segment.bytes", 4096, "segment.ms", 3600000, "index.interval.bytes", 200));
        var log = UnifiedLog.create(folder, config, 0, 0, new KafkaScheduler(1), new BrokerTopicStats(), Time.SYSTEM, 60000,
            new ProducerStateManagerConfig(86400000, false), 60000, failures, false, Optional.empty(),
            new ConcurrentHashMap<>(), false, LogOffsetsListener.NO_OP_OFFSETS_LISTENER);
        log.assignTopicId(Uuid.fromString("rYY3nnFSTqSSPHTTP0qT-g"));
        String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
        for (int n = 0; n < 90; n++) {
            // Two a second make segments by size, then six an hour by age; every seventh is stamped late.
            long at = START + (n < 45 ? n * 500L : 25000L + (n - 45) * 600000L) - (n % 7 == 6 ? 9000 : 0);
            var records = new ArrayList<SimpleRecord>();
            for (int k = 0; k <= n % 3; k++)
                records.add(new SimpleRecord(at - k, k == 1 ? null : ("key " + n).getBytes(), ("value " + n * k + " of this").getBytes()));
            var codec = Compression.of(codecs[n % 5]).build();
            log.appendAsLeader(MemoryRecords.withRecords(codec, records.toArray(new SimpleRecord[0])), n < 40 ? 0 : 3);
        }
        log.flush(true);
        log.close();
        new OffsetCheckpointFile(new File(arguments[0], "replication-offset-checkpoint"), failures)
            .write(new TreeMap<>(Comparator.comparing(TopicPartition::toString)) {{
                put(new TopicPartition("t", 0), 88L);
                put(new TopicPartition("flights.eu", 11), Long.MAX_VALUE);
            }});
        Files.write(new File(arguments[0], "java-none.batch").toPath(), batch());
        System.exit(0);
    }

    // What commit-log/tests/data/README.md describes, not compressed.
    static byte[] batch() {
        var builder = MemoryRecords.builder(ByteBuffer.allocate(1 << 20), (byte) 2, Compression.NONE, TimestampType.CREATE_TIME,
            1000, -1, 4711, (short) 3, 42, false, 9);
        for (int n = 0; n < 500; n++) {
            var value = new StringBuilder();
            for (int k = 0; k < 12; k++) value.append("value ").append(n * 31 + k * 7 % 5).append(' ');
            var headers = n % 3 != 0 ? new Header[0]
                : new Header[] {new RecordHeader("trace", ("t" + n).getBytes()), new RecordHeader("none", (byte[]) null)};
            builder.append(START + n * 37 % 100, n % 5 == 4 ? null : ("key-" + n).getBytes(),
                n % 7 == 6 ? null : value.toString().getBytes(), headers);
        }
        var bytes = builder.build().buffer();
        var whole = new byte[bytes.remaining()];
        bytes.get(whole);
        return whole;
    }
}
