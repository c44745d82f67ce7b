// A member of a group of github.com/hashicorp/raft with BoltDB, for comparison with ours: the same work through a state
// machine as small as it can be, a map from an election's name to its holder.
//
//	peer ID FOLDER ADDRESS...     ID counts from 0; the member 0 becomes the leader of the group;
//	                              the folder "memory" is none: the log is kept in memory
//
// It says {"ev":"ready"} when it can take work, which only the leader does. A line `rounds C N` on its input makes C
// goroutines acquire and release an election of their own N times each; it answers {"ev":"result","elapsed_ns":NS}.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb"
)

// Holders is the state machine. An entry is 'a' or 'r' (acquire, release), the holder in 8 bytes, and the election.
type Holders struct {
	mutex sync.Mutex
	held  map[string]string
}

// Apply returns the log index as the token of the election that was acquired, and 0 if somebody else holds it.
func (h *Holders) Apply(entry *raft.Log) interface{} {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	act, holder, election := entry.Data[0], string(entry.Data[1:9]), string(entry.Data[9:])
	now, taken := h.held[election]
	switch {
	case act == 'a' && !taken:
		h.held[election] = holder
		return entry.Index
	case act == 'r' && now == holder:
		delete(h.held, election)
		return entry.Index
	}
	return uint64(0)
}

// Snapshot is not asked for within a bench.
func (h *Holders) Snapshot() (raft.FSMSnapshot, error) { return nil, fmt.Errorf("no snapshots") }

// Restore is not either.
func (h *Holders) Restore(io.ReadCloser) error { return fmt.Errorf("no snapshots") }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Printf("{\"ev\":\"error\",\"err\":%q}\n", err.Error())
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: peer ID FOLDER ADDRESS...")
	}
	id, err := strconv.Atoi(args[0])
	if err != nil || id < 0 || id >= len(args)-2 {
		return fmt.Errorf("the id is %q: give a number below %d", args[0], len(args)-2)
	}
	folder, addresses := args[1], args[2:]
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(strconv.Itoa(id))
	config.LogLevel = "ERROR"
	config.SnapshotInterval, config.SnapshotThreshold = time.Hour, 1<<62
	if id > 0 {
		// So that the first one stands first, and leads.
		config.HeartbeatTimeout, config.ElectionTimeout = 20*time.Second, 20*time.Second
	}
	store, err := open(folder)
	if err != nil {
		return err
	}
	transport, err := raft.NewTCPTransport(addresses[id], nil, 3, 10*time.Second, os.Stderr)
	if err != nil {
		return err
	}
	var servers []raft.Server
	for i, address := range addresses {
		servers = append(servers, raft.Server{ID: raft.ServerID(strconv.Itoa(i)), Address: raft.ServerAddress(address)})
	}
	snapshots := raft.NewInmemSnapshotStore()
	if err := raft.BootstrapCluster(config, store, store, snapshots, transport, raft.Configuration{Servers: servers}); err != nil {
		return err
	}
	node, err := raft.NewRaft(config, &Holders{held: map[string]string{}}, store, store, snapshots, transport)
	if err != nil {
		return err
	}
	if id == 0 {
		if !<-node.LeaderCh() {
			return fmt.Errorf("the first member does not lead")
		}
		fmt.Println(`{"ev":"ready"}`)
	}
	// The end of the input is the end of the member.
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) == 1 && words[0] == "quit" {
			return nil
		}
		if len(words) != 3 || words[0] != "rounds" {
			return fmt.Errorf("%q is no command: give rounds C N", lines.Text())
		}
		candidates, err := strconv.Atoi(words[1])
		if err != nil {
			return err
		}
		times, err := strconv.Atoi(words[2])
		if err != nil {
			return err
		}
		elapsed, err := rounds(node, candidates, times)
		if err != nil {
			return err
		}
		fmt.Printf("{\"ev\":\"result\",\"elapsed_ns\":%d}\n", elapsed.Nanoseconds())
	}
	return lines.Err()
}

// Store is what both of the library's stores are.
type Store interface {
	raft.LogStore
	raft.StableStore
}

func open(folder string) (Store, error) {
	if folder == "memory" {
		return raft.NewInmemStore(), nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	return raftboltdb.NewBoltStore(filepath.Join(folder, "raft.db"))
}

// rounds lets every candidate acquire and release as often as told, side by side, and says how long that took.
func rounds(node *raft.Raft, candidates, times int) (time.Duration, error) {
	begun, failed := time.Now(), make(chan error, candidates)
	var all sync.WaitGroup
	for i := 0; i < candidates; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			rest := fmt.Sprintf("%08dcycle-%d", i, i)
			for n := 0; n < times; n++ {
				for _, act := range []string{"a", "r"} {
					future := node.Apply([]byte(act+rest), 10*time.Second)
					if err := future.Error(); err != nil {
						failed <- err
						return
					}
					if future.Response().(uint64) == 0 {
						failed <- fmt.Errorf("%s of election %d was refused", act, i)
						return
					}
				}
			}
		}(i)
	}
	all.Wait()
	elapsed := time.Since(begun)
	select {
	case err := <-failed:
		return 0, err
	default:
		return elapsed, nil
	}
}
