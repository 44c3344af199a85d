// Session: ordered streams of messages (lanes) between two processes that survive a cut of the
// connection below them: everything sent arrives exactly once, in the order of its lane.
//
// Threads: everything may be called from any thread, also at once, except where it says otherwise.
// A thread that waits receives by itself (no hop through another thread): the first one takes the
// role of the reader, others sleep until it hands them their messages or the role. A keeper thread
// a session receives when nobody waits, flushes late batches, and takes a cut session up again.
// Memory: unacknowledged frames up to `window`, unread ones up to `lane_window` a lane; a sender
// without room blocks.
// Cuts: while the session is cut, senders go on until the window is full; waits wait. After `grace`
// without a new connection the session has ended. It ends at once, with the reason, when the peer
// says so (known death), says goodbye, or breaks the protocol. All later calls fail with that
// reason.
// Fork: in a child everything fails with kUnavailable, and nothing of the parent's is touched.
// Signals: none are raised or caught.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "wire/connection.h"
#include "wire/fork_guard.h"
#include "wire/hello.h"
#include "wire/inbox.h"
#include "wire/session_state.h"

namespace flexai::wire {

class Lane;

struct SessionOptions {
  Version version;
  uint64_t features = 0;
  uint32_t window = 2u << 20;         // bytes sent and not acknowledged
  uint32_t lane_window = 512u << 10;  // bytes received and not read, each lane
  uint16_t lanes = 64;                // the host's word counts
  uint32_t batch_bytes = 16u << 10;
  uint32_t batch_messages = 64;
  base::Nanos batch_delay = 100 * base::kMicrosecond;
  base::Nanos silence = 2 * base::kSecond;  // see silence.h
  base::Nanos grace = 30 * base::kSecond;   // the host's word counts
  base::Nanos handshake = 5 * base::kSecond;
  std::vector<std::byte> lease;  // client: opaque, goes with every hello
  // Client: its host has handed the session on; `note` is what it says of the new place. From the
  // next connection on the connector must lead there. Calls nothing of the session. Without it, or
  // when it fails, the session ends.
  std::function<base::Status(Bytes note)> on_moved;
  // Called once, on the session's own thread, when it ends other than by close().
  std::function<void(const base::Error&)> on_end;
};

// Makes a connection to the host, TLS handshake included. kNotFound: the host is known to be gone,
// so that a session which is cut ends at once; other errors are tried again.
using Connector =
    std::function<base::Result<std::unique_ptr<Transport>>(Purpose purpose, base::Nanos deadline)>;

struct SessionStats {
  uint64_t frames_sent = 0, frames_received = 0;  // sequenced ones, repeats not counted
  uint64_t messages_sent = 0;
  uint64_t resumes = 0;
  size_t unacknowledged = 0;  // bytes held now
  bool connected = false;
};

class Session {
 public:
  // A new session with the host that `connector` reaches; fails before the first message when
  // protocol, Spec, lease or room are not right.
  static base::Result<std::unique_ptr<Session>> connect(Connector connector,
                                                        SessionOptions options);
  // The host's side of a new session, for a hello that was read: first prepare(), then, when
  // whoever asks for it by its id can find it, open(), which answers the hello. The client may come
  // again before open() has returned.
  static base::Result<std::unique_ptr<Session>> prepare(const Peer& peer, const Hello& hello,
                                                        SessionOptions options);
  base::Status open(std::unique_ptr<Transport> transport, const Hello& hello, Bytes note = {});
  // The client came again: `hello` names this session. Takes the transport when it succeeds. Else
  // kNotFound (it has ended), kDenied (of another peer), kConflict (a later connection was first),
  // or what went wrong.
  base::Status resume(std::unique_ptr<Transport>& transport, const Hello& hello);

  ~Session();

  // 0 to lanes()-1; kInvalid for others. The lane lives as long as the session.
  base::Result<Lane*> lane(uint16_t id);
  uint16_t lanes() const { return lanes_; }

  // The next message of any lane that has no sink, in the order in which frames arrived: for one
  // thread that serves all lanes without a hop through another. Not together with Lane::receive.
  // The body stays valid until the next call. kTimeout after `deadline` (0 = none).
  struct Arrival {
    Lane* lane = nullptr;
    Message message;
  };
  base::Result<Arrival> receive_any(base::Nanos deadline);

  // Until `ready`, which something that a sink did makes true; receives meanwhile, so that a sink
  // runs on the thread that waits for it. `ready` is called under the session's lock: it looks at
  // an atomic and calls nothing. kTimeout after `deadline` (0 = none).
  base::Status wait(const std::function<bool()>& ready, base::Nanos deadline);

  base::Status flush();  // batches of all lanes
  // What comes is wanted at once although nobody waits: the session's own thread receives from now
  // on, also if a caller was the reader a moment ago.
  void watch();
  base::Status drain(base::Nanos deadline);  // flush, and wait until all of it has arrived

  // Flushes, says goodbye and waits until that has arrived, at most until `deadline`.
  void close(base::Nanos deadline);
  // Tells the peer why it is over, at most 0.2 s long; then the session has ended on this side.
  void end(const Refusal& refusal);

  base::Status status() const;  // the reason once it has ended
  bool ended() const { return over_.load(std::memory_order_acquire); }
  const SessionId& id() const { return id_; }
  const SessionKey& key() const { return key_; }
  const Peer& peer() const { return peer_; }                    // of the first connection
  uint64_t features() const { return features_; }               // that both have
  const std::vector<std::byte>& note() const { return note_; }  // of the welcome
  const SessionOptions& options() const { return options_; }
  SessionStats stats() const;
  // Bulk connections of this session, see bulk.h: what the client says on one, who gets those that
  // the host accepted (empty: they are refused), and the host's acceptance.
  using BulkSink = std::function<void(std::unique_ptr<Transport>, uint8_t stripe, uint32_t epoch)>;
  Hello bulk_hello(uint8_t stripe, uint32_t epoch) const;
  void set_bulk(BulkSink sink);
  base::Status take_bulk(std::unique_ptr<Transport>& transport, const Hello& hello);
  const Connector& connector() const { return connector_; }  // empty on the host's side

  // Handing the host's side on to another process, session_move.cc. freeze(): from now on nothing
  // is taken in or handed out, sending waits; pings are answered, so the client has patience. When
  // it returns no sink runs. thaw(): as before. pass_on(): never again: the client is told `note`
  // now, and whenever it comes; the session stays, frozen, to say so.
  void freeze();
  void thaw();
  void pass_on(Bytes note);
  // Frozen, whether the thread in receive_any() has come to rest there.
  bool receiver_rests() const;
  // What the other process needs. REQUIRES: frozen, no thread between messages. `again`: the last
  // one that receive_any() gave was not worked on: it is among the unread ones. kUnsupported: it is
  // a client's, or about to end.
  base::Result<SessionState> state(bool again);
  // There: as if the connection of `peer` had just been cut.
  static base::Result<std::unique_ptr<Session>> adopt(const SessionState& state, const Peer& peer,
                                                      SessionOptions options);
  // Until there is a connection. kTimeout after `deadline`.
  base::Status await_peer(base::Nanos deadline);
  // A client's: how often its host has handed it on; the sink is told before the next connection
  // is made, on the session's own thread.
  uint64_t moves() const { return moves_.load(std::memory_order_acquire); }
  void set_moved(std::function<void()> sink);

  // Drops the connection as a bad network would. For tests and benchmarks.
  void cut();

 private:
  friend class Lane;
  struct Waiter;

  Session(Connector connector, SessionOptions options);
  Terms terms() const FLEXAI_REQUIRES(mutex_);
  Hello make_hello() const FLEXAI_REQUIRES(mutex_);
  Welcome make_welcome(Bytes note) const FLEXAI_REQUIRES(mutex_);
  base::Status check_again(const Hello& hello, const Peer& peer) FLEXAI_REQUIRES(mutex_);
  base::Status send_on(Transport& transport) FLEXAI_REQUIRES(mutex_);
  void bid_farewell(FrameType type, Bytes payload) FLEXAI_REQUIRES(mutex_);
  void take_state(const SessionState& state) FLEXAI_REQUIRES(mutex_);
  LaneState state_of(Lane& lane) FLEXAI_REQUIRES(mutex_);
  base::Status moved(Bytes note) FLEXAI_REQUIRES(mutex_);
  base::Status take_terms(const Welcome& welcome);
  base::Status begin() FLEXAI_REQUIRES(mutex_);
  void start();
  base::Status install(std::unique_ptr<Transport> transport, uint64_t received)
      FLEXAI_REQUIRES(mutex_);
  Lane& lane_of(uint16_t id) FLEXAI_REQUIRES(mutex_);

  // Sending, session_send.cc.
  base::Status post(FrameType type, Lane* lane, Block payload, bool may_wait, base::Nanos deadline);
  void write_out(const std::shared_ptr<Connection>& connection) FLEXAI_REQUIRES(mutex_);
  bool build(Connection& connection) FLEXAI_REQUIRES(mutex_);
  void build_notes(Connection& connection) FLEXAI_REQUIRES(mutex_);
  void add_note(Connection& connection, FrameType type, Bytes payload) FLEXAI_REQUIRES(mutex_);
  void arm_flush();
  base::Result<size_t> flush_lanes(bool may_wait);  // how many had something
  base::Nanos late_look() const FLEXAI_REQUIRES(mutex_);

  // Receiving, session_receive.cc.
  base::Status await(const std::function<bool()>& ready, Waiter& waiter, base::Nanos deadline)
      FLEXAI_REQUIRES(mutex_);
  void read_once(const std::shared_ptr<Connection>& connection, base::Nanos deadline)
      FLEXAI_REQUIRES(mutex_);
  base::Status take_in(Connection& connection) FLEXAI_REQUIRES(mutex_);
  base::Status take_frame(Connection& connection, InFrame& frame) FLEXAI_REQUIRES(mutex_);
  base::Status take_data(InFrame& frame) FLEXAI_REQUIRES(mutex_);
  base::Status take_credits(Bytes payload) FLEXAI_REQUIRES(mutex_);
  void call_sinks() FLEXAI_REQUIRES(mutex_);
  Lane* lane_to_sink() FLEXAI_REQUIRES(mutex_);
  void owe(Connection& connection) FLEXAI_REQUIRES(mutex_);
  void check_silence(Connection& connection, base::Nanos planned, base::Nanos now)
      FLEXAI_REQUIRES(mutex_);
  void follow(Waiter& waiter, base::Nanos deadline) FLEXAI_REQUIRES(mutex_);
  void wake_all() FLEXAI_REQUIRES(mutex_);
  void hand_on() FLEXAI_REQUIRES(mutex_);
  void mark_to_wake(Waiter& waiter) FLEXAI_REQUIRES(mutex_);
  void wake_marked() FLEXAI_REQUIRES(mutex_);

  // Keeping, session_keep.cc.
  void keep();
  void keep_connected() FLEXAI_REQUIRES(mutex_);
  void keep_cut() FLEXAI_REQUIRES(mutex_);
  void reconnect(base::Nanos end) FLEXAI_REQUIRES(mutex_);
  base::Nanos lead_memory() const FLEXAI_REQUIRES(mutex_);
  void keeper_sleep(base::Nanos deadline) FLEXAI_REQUIRES(mutex_);
  void wake_keeper() FLEXAI_REQUIRES(mutex_);
  void drop(Connection& connection, const base::Error& why) FLEXAI_REQUIRES(mutex_);
  void finish(base::Error why) FLEXAI_REQUIRES(mutex_);

  base::Status not_child() const;

  const Connector connector_;  // empty on the host's side
  SessionOptions options_;
  ForkGuard fork_;
  SessionId id_{};
  SessionKey key_{};
  Peer peer_;
  uint64_t features_ = 0;
  std::vector<std::byte> note_;
  uint16_t lanes_ = 0;
  uint32_t peer_window_ = 0, peer_lane_window_ = 0;

  mutable base::Mutex mutex_;
  std::shared_ptr<Connection> connection_ FLEXAI_GUARDED_BY(mutex_);   // null while cut
  std::shared_ptr<Connection> retired_ FLEXAI_GUARDED_BY(mutex_);      // dropped while written to
  std::vector<std::unique_ptr<Lane>> lane_ FLEXAI_GUARDED_BY(mutex_);  // null until used
  std::vector<Lane*> sinks_ FLEXAI_GUARDED_BY(mutex_);
  bool in_sinks_ FLEXAI_GUARDED_BY(mutex_) = false;    // a reader calls them
  bool sinks_left_ FLEXAI_GUARDED_BY(mutex_) = false;  // to that one, by another
  Outbox outbox_ FLEXAI_GUARDED_BY(mutex_);
  uint32_t epoch_ FLEXAI_GUARDED_BY(mutex_) = 0;
  uint64_t received_ FLEXAI_GUARDED_BY(mutex_) = 0;  // sequences taken in
  size_t unanswered_ FLEXAI_GUARDED_BY(mutex_) = 0;  // bytes taken in and not acknowledged
  base::Nanos cut_since_ FLEXAI_GUARDED_BY(mutex_) = 0;
  base::Error cut_why_ FLEXAI_GUARDED_BY(mutex_);
  base::Error end_why_ FLEXAI_GUARDED_BY(mutex_);
  bool credits_due_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool all_credits_due_ FLEXAI_GUARDED_BY(mutex_) = false;  // a new connection
  bool closing_ FLEXAI_GUARDED_BY(mutex_) = false;          // close() was called
  Waiter* waiters_ FLEXAI_GUARDED_BY(mutex_) = nullptr;
  Waiter* any_waiter_ FLEXAI_GUARDED_BY(mutex_) = nullptr;  // in receive_any()
  std::deque<Lane*> arrivals_ FLEXAI_GUARDED_BY(mutex_);    // one entry a frame, while it is used
  bool takes_any_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::vector<std::atomic<uint32_t>*> to_wake_ FLEXAI_GUARDED_BY(mutex_);
  // Of the thread in receive_any().
  Block any_frame_;
  size_t any_at_ = 0, any_begin_ = 0;  // behind the last message, at it
  Lane* any_lane_ = nullptr;
  bool any_rests_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool frozen_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool left_out_ FLEXAI_GUARDED_BY(mutex_) = false;  // something came meanwhile
  bool passed_on_ FLEXAI_GUARDED_BY(mutex_) = false;
  std::vector<std::byte> place_ FLEXAI_GUARDED_BY(mutex_);  // what the client is told then
  bool move_due_ FLEXAI_GUARDED_BY(mutex_) = false;         // the sink has to be told
  std::atomic<uint64_t> moves_{0};
  uint64_t resumes_ FLEXAI_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> messages_{0};
  std::atomic<bool> over_{false};

  base::Mutex bulk_mutex_;
  BulkSink bulk_ FLEXAI_GUARDED_BY(bulk_mutex_);
  std::function<void()> moved_ FLEXAI_GUARDED_BY(bulk_mutex_);

  // The keeper's.
  std::thread* keeper_ = nullptr;  // leaked in a forked child, where there is nothing to join
  std::atomic<uint32_t> keeper_word_{0};
  std::atomic<bool> flush_armed_{false};
  std::atomic<uint64_t> own_flushes_{0};  // batches that the keeper did not have to send
  uint64_t seen_flushes_ FLEXAI_GUARDED_BY(mutex_) = 0;
  base::Nanos flush_at_ FLEXAI_GUARDED_BY(mutex_) = 0;
  base::Nanos armed_at_ FLEXAI_GUARDED_BY(mutex_) = 0;  // a batch was begun
  int rarely_ FLEXAI_GUARDED_BY(mutex_) = 0;            // see late_look()
  base::Nanos keeper_until_ FLEXAI_GUARDED_BY(mutex_) =
      0;                                              // sleeps or reads until then; 0: does not
  base::Nanos led_at_ FLEXAI_GUARDED_BY(mutex_) = 0;  // last time a caller was the reader
  uint64_t leads_ FLEXAI_GUARDED_BY(mutex_) = 0;
  int lead_trust_ FLEXAI_GUARDED_BY(mutex_) = 0;  // see lead_memory()
  int attempts_ FLEXAI_GUARDED_BY(mutex_) = 0;    // to connect again, since the cut
  bool keeper_reads_ FLEXAI_GUARDED_BY(mutex_) = false;
  bool keeper_deep_ FLEXAI_GUARDED_BY(mutex_) = false;  // sleeps until a reader leaves
  bool stopping_ FLEXAI_GUARDED_BY(mutex_) = false;
};

}  // namespace flexai::wire
