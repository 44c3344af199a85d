// Checkpoint: what the agent must not forget: slices and runs, in one SQLite file (format:
// docs/formats/checkpoint.md). Every save() is one transaction, on disk when it returns.
//
// Version: the file says which; a newer one is refused (kUnsupported), an older one is brought
// up. A damaged file is refused too (kCorrupt), never guessed at; set_aside() is the
// way out that the message names. Running out of space or a folder that cannot be written is
// kExhausted or kDenied and leaves the stored state as it was; but what is only dropped is dropped
// all the same, owed to the disk, and written with the next change or settle(). An agent that ends
// before that finds it again. Threads: one. Blocks on the disk.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/device.h"
#include "model/slice.h"

struct sqlite3;

namespace flexai::agent {

struct StoredSlice {
  uint64_t id = 0;       // never given out twice
  std::string card_key;  // the card's name may change when drivers come and go, its key does not
  model::Slice slice;
  bool operator==(const StoredSlice&) const = default;
};

// Where the programs of a run go on that has no slice here any more; no host: nowhere.
struct StoredAway {
  std::string host = {};  // gpu2:7700
  uint64_t run = 0;       // its number there
  bool operator==(const StoredAway&) const = default;
};

struct StoredRun {
  uint64_t id = 0;
  std::string grant;
  uint32_t uid = 0;
  pid_t pid = 0;  // `flexai run` itself
  uint64_t start = 0;
  std::string command;
  std::vector<uint64_t> slices;
  std::string host = {};  // whose `flexai run`; empty: this one's. Then pid and start are 0
  // Of a pod: the slice of its claim. It lives until the claim is given back, whatever processes
  // do; pid and start are 0.
  std::string claim = {};
  std::string tenant = {};  // of a pod: its namespace, whose workers share what they keep
  StoredAway away = {};
  bool operator==(const StoredRun&) const = default;
};

struct Stored {
  std::vector<StoredSlice> slices;   // by id
  std::vector<StoredRun> runs;       // by id
  std::vector<model::Device> cards;  // as discovery found them last
  std::string boot;                  // boot id of the host when last written; runs die with a boot
  uint64_t last_id = 0;              // highest id ever given to a slice or run
};

struct Change {
  std::vector<StoredSlice> put_slices;
  std::vector<uint64_t> drop_slices;
  std::vector<StoredRun> put_runs;
  std::vector<uint64_t> drop_runs;
};

class Checkpoint {
 public:
  static constexpr int kVersion = 5;

  static base::Result<std::unique_ptr<Checkpoint>> open(const std::string& path);
  ~Checkpoint();
  // Renames a damaged file (and what belongs to it) to PATH.aside-N and says that name.
  static base::Result<std::string> set_aside(const std::string& path);

  base::Result<Stored> load();
  base::Status save(const Change& change);
  // Writes what is owed; the disk's error when it still does not take it.
  bool owes() const { return !owed_.drop_slices.empty() || !owed_.drop_runs.empty(); }
  base::Status settle();
  base::Status set_boot(const std::string& boot);
  base::Status set_cards(const std::vector<model::Device>& cards);
  // One more than last time: the agent's incarnation.
  base::Result<uint64_t> next_incarnation();

 private:
  struct Close {
    void operator()(sqlite3* db) const;
  };
  Checkpoint(std::string path, std::unique_ptr<sqlite3, Close> db)
      : path_(std::move(path)), db_(std::move(db)) {}
  base::Status prepare_schema();
  base::Status execute(const std::string& sql);
  base::Error error(const std::string& what) const;
  base::Status write(const Change& change);
  base::Status put_slice(const StoredSlice& slice);
  base::Status put_run(const StoredRun& run);
  base::Result<std::vector<model::Device>> load_cards();
  base::Result<std::string> meta(const std::string& key);
  base::Status set_meta(const std::string& key, const std::string& value);

  std::string path_;
  std::unique_ptr<sqlite3, Close> db_;
  Change owed_;  // drops only
};

}  // namespace flexai::agent
