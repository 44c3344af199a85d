// Bulk: large byte strings beside the lanes of a Session, straight from the sender's memory into
// the receiver's, in chunks over connections of their own (stripes).
//
// A transfer has an id that its two ends agree on by other means (a message); the two directions
// are apart. The receiver's expect() tells the sender that it may begin: nothing is sent that has
// no place yet. Chunks are acknowledged one by one; those of a stripe that was cut go again over
// any stripe, and one that comes twice is dropped, so a transfer is right after any cut. Threads:
// any. One thread a stripe, started with the first transfer. Memory: none beyond the caller's, but
// a mebibyte a stripe. Errors: as the session's.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "wire/lane.h"
#include "wire/session.h"

namespace flexai::wire {

class Stripe;

class Bulk {
 public:
  // Takes the highest lane of `session` for itself; both ends make one before the first transfer.
  // `stripes`: connections, the client's choice; the host takes up to 16. The session outlives it.
  static base::Result<std::unique_ptr<Bulk>> make(Session& session, int stripes = 1);
  ~Bulk();

  // The bytes must stay until wait() or cancel() returned. kConflict: the id is in use.
  base::Status expect(uint64_t id, std::span<std::byte> into);
  base::Status send(uint64_t id, Bytes from);

  // Until all of it has arrived. kTimeout: it goes on, wait again or cancel. The id is free after
  // any other answer. kCorrupt: the ends named different sizes.
  base::Status wait_received(uint64_t id, base::Nanos deadline);
  base::Status wait_sent(uint64_t id, base::Nanos deadline);

  // Forgets a transfer; the memory is not touched afterwards. The other end's wait does not end.
  // One that is not sent at all, although the other end is ready for it, is to be forgotten, too.
  void cancel_receive(uint64_t id);
  void cancel_send(uint64_t id);

  // Cuts every stripe.
  void cut();

  // For another process that goes on with the host's side: transfers that the client is ready for
  // and that have not begun. REQUIRES: the session is frozen, no transfer is under way.
  std::map<uint64_t, uint64_t> awaited() const;  // size by id
  base::Status restore(std::map<uint64_t, uint64_t> awaited);

 private:
  friend class Stripe;
  struct Incoming {
    std::span<std::byte> into;
    std::vector<bool> have;  // chunks
    size_t missing = 0;
    std::map<uint64_t, Stripe*> writing;  // by offset: who is in the middle of a chunk
    bool awaited = false;                 // somebody waits for one of them to leave
    bool cancelled = false;
  };
  struct Outgoing {
    Bytes from;
    bool ready = false, wrong = false, cancelled = false;
    std::vector<uint64_t> again;  // chunks to be sent once more
    uint64_t next = 0;            // first chunk never sent
    uint64_t chunks = 0;
    std::vector<bool> acked;
    size_t missing = 0;
    int senders = 0;  // stripes that look at its memory
  };
  struct Chunk {
    uint64_t id = 0, index = 0;
    Bytes bytes;
  };

  Bulk(Session& session, Lane* lane, int stripes);
  void on_message(const Message& message);
  base::Status start();
  void attach(std::unique_ptr<Transport> transport, uint8_t stripe, uint32_t epoch);
  void wake_stripes() FLEXAI_REQUIRES(mutex_);
  // Until `changed_` is no longer `seen`, `deadline`, or it is time to look at the session.
  void rest(uint32_t seen, base::Nanos deadline = 0);
  // False: somebody still looks at its memory.
  template <typename Transfers, typename Busy>
  bool forget(Transfers& transfers, uint64_t id, const Busy& busy) FLEXAI_REQUIRES(mutex_);

  // For stripes.
  bool take_chunk(Chunk& chunk);
  void sent_chunk(const Chunk& chunk);  // its memory is no longer looked at
  void lost_chunks(const std::vector<Chunk>& chunks);
  void acked_chunk(uint64_t id, uint64_t index);
  // Where the chunk goes; empty: nowhere, drop it. kCorrupt when it cannot be one.
  base::Result<std::span<std::byte>> place_of(Stripe& stripe, uint64_t id, uint64_t offset,
                                              size_t size);
  void left_place(uint64_t id, uint64_t offset, bool whole);
  void lost_stripe(uint8_t number, uint32_t epoch);

  Session& session_;
  Lane* const lane_;
  const int wanted_stripes_;
  mutable base::Mutex mutex_;
  std::map<uint64_t, Incoming> incoming_ FLEXAI_GUARDED_BY(mutex_);
  std::map<uint64_t, Outgoing> outgoing_ FLEXAI_GUARDED_BY(mutex_);
  std::map<uint64_t, uint64_t> early_ FLEXAI_GUARDED_BY(mutex_);  // ready before send(): size
  std::vector<std::unique_ptr<Stripe>> stripes_ FLEXAI_GUARDED_BY(mutex_);
  std::atomic<uint32_t> changed_{0};  // futex for the waits
  bool started_ FLEXAI_GUARDED_BY(mutex_) = false;
};

}  // namespace flexai::wire
