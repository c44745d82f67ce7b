import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderLatchListener;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.curator.retry.RetryOneTime;

/**
 * One candidate of Apache Curator's LeaderLatch, driven by lines.
 *
 * <p>Arguments: connect string, path of the election, id, session timeout in milliseconds. It joins at once. Input:
 * {@code resign} (leave the queue or the lead), {@code who} (ask for the leader), {@code quit}. Output: {@code joined},
 * {@code leader}, {@code lost}, {@code resigned}, {@code sees ID} ({@code sees} alone when nobody leads).
 */
public final class LatchParticipant implements LeaderLatchListener {
    private final CuratorFramework client;
    private final String path;
    private final String id;
    private LeaderLatch latch;

    private LatchParticipant(CuratorFramework client, String path, String id) {
        this.client = client;
        this.path = path;
        this.id = id;
    }

    public static void main(String[] args) throws Exception {
        int sessionTimeout = Integer.parseInt(args[3]);
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(args[0], sessionTimeout, 5_000, new RetryOneTime(100));
        client.start();
        client.blockUntilConnected();
        LatchParticipant participant = new LatchParticipant(client, args[1], args[2]);
        participant.join();
        participant.obey();
        client.close();
        // Curator's threads are daemons, but ZooKeeper's may take their time.
        System.exit(0);
    }

    private void join() throws Exception {
        latch = new LeaderLatch(client, path, id);
        latch.addListener(this);
        latch.start();
        say("joined");
    }

    private void obey() throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            switch (line.trim()) {
                case "resign" -> {
                    // Silent: what the listener hears of a close is no news to the one who asked for it.
                    latch.close(LeaderLatch.CloseMode.SILENT);
                    say("resigned");
                }
                case "who" -> {
                    // Curator's own way to see the leader; the id is the data of the first znode.
                    Participant leader = latch.getLeader();
                    say(("sees " + leader.getId()).trim());
                }
                case "quit" -> {
                    return;
                }
                default -> say("error unknown command " + line);
            }
        }
    }

    @Override
    public void isLeader() {
        say("leader");
    }

    @Override
    public void notLeader() {
        say("lost");
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
