#include "agent/checkpoint.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "model/json.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;

constexpr const char* kSchema = R"sql(
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE slices (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, card TEXT NOT NULL, card_key TEXT NOT NULL,
  compute_milli INTEGER NOT NULL, ceiling_milli INTEGER NOT NULL, memory_bytes INTEGER NOT NULL,
  qos TEXT NOT NULL, priority TEXT NOT NULL, owner_uid INTEGER NOT NULL, ephemeral INTEGER NOT NULL,
  paused INTEGER NOT NULL DEFAULT 0, residency TEXT NOT NULL DEFAULT 'card');
CREATE TABLE runs (
  id INTEGER PRIMARY KEY, grant_text TEXT NOT NULL UNIQUE, uid INTEGER NOT NULL, pid INTEGER NOT NULL,
  start INTEGER NOT NULL, command TEXT NOT NULL, host TEXT NOT NULL DEFAULT '',
  claim TEXT NOT NULL DEFAULT '', tenant TEXT NOT NULL DEFAULT '',
  away_host TEXT NOT NULL DEFAULT '', away_run INTEGER NOT NULL DEFAULT 0);
CREATE TABLE run_slices (
  run INTEGER NOT NULL, slice INTEGER NOT NULL, PRIMARY KEY (run, slice)) WITHOUT ROWID;
)sql";
// What leads from each version to the next one, the first from version 1.
constexpr const char* kUpgrades[] = {
    "ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE slices ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE slices ADD COLUMN residency TEXT NOT NULL DEFAULT 'card';",
    "ALTER TABLE runs ADD COLUMN claim TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE runs ADD COLUMN tenant TEXT NOT NULL DEFAULT '';",
    "ALTER TABLE runs ADD COLUMN away_host TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE runs ADD COLUMN away_run INTEGER NOT NULL DEFAULT 0;"};

// One prepared statement; binds by position from 1.
class Statement {
 public:
  Statement(sqlite3* db, const char* sql) {
    ok_ = sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) == SQLITE_OK;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int64_t value) {
    ok_ = ok_ && sqlite3_bind_int64(statement_, ++next_, value) == SQLITE_OK;
    return *this;
  }
  Statement& bind(uint64_t value) { return bind(static_cast<int64_t>(value)); }
  Statement& bind(uint32_t value) { return bind(static_cast<int64_t>(value)); }
  Statement& bind(const std::string& text) {
    ok_ = ok_ && sqlite3_bind_text(statement_, ++next_, text.data(), static_cast<int>(text.size()),
                                   SQLITE_TRANSIENT) == SQLITE_OK;
    return *this;
  }
  // SQLITE_ROW, SQLITE_DONE or an error.
  int step() { return ok_ ? sqlite3_step(statement_) : SQLITE_ERROR; }
  bool done() { return step() == SQLITE_DONE; }

  uint64_t number(int column) {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }
  std::string text(int column) {
    const unsigned char* data = sqlite3_column_text(statement_, column);
    if (data == nullptr) return "";
    return std::string(reinterpret_cast<const char*>(data),
                       static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
  bool ok_ = false;
  int next_ = 0;
};

base::Result<StoredSlice> read_slice(Statement& row) {
  StoredSlice stored;
  stored.id = row.number(0);
  stored.slice.name = row.text(1);
  stored.slice.card = row.text(2);
  stored.card_key = row.text(3);
  stored.slice.compute_milli = static_cast<uint32_t>(row.number(4));
  stored.slice.ceiling_milli = static_cast<uint32_t>(row.number(5));
  stored.slice.memory_bytes = row.number(6);
  FLEXAI_TRY_ASSIGN(stored.slice.qos, model::parse_qos(row.text(7)));
  FLEXAI_TRY_ASSIGN(stored.slice.priority, model::parse_priority(row.text(8)));
  stored.slice.owner_uid = static_cast<uint32_t>(row.number(9));
  stored.slice.ephemeral = row.number(10) != 0;
  stored.slice.paused = row.number(11) != 0;
  FLEXAI_TRY_ASSIGN(stored.slice.residency, model::parse_residency(row.text(12)));
  FLEXAI_TRY(model::validate(stored.slice));
  return stored;
}

void append(std::vector<uint64_t>& to, const std::vector<uint64_t>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

}  // namespace

void Checkpoint::Close::operator()(sqlite3* db) const { sqlite3_close(db); }

base::Error Checkpoint::error(const std::string& what) const {
  int rc = sqlite3_errcode(db_.get());
  std::string text = what + " " + path_ + ": " + sqlite3_errmsg(db_.get());
  switch (rc) {
    case SQLITE_FULL:
      return fail(Code::kExhausted, text + "; free space on that file system");
    case SQLITE_IOERR:
      return fail(Code::kExhausted, text + "; check that file system for space and faults");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
    case SQLITE_AUTH:
      return fail(Code::kDenied, text + "; make that folder writable or choose another (--state)");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return fail(Code::kCorrupt, text +
                                      "; put a backup there, or start once with --reset-state, "
                                      "which sets the file aside and forgets all slices");
    case SQLITE_BUSY:
      return fail(Code::kConflict, text + "; another program has that file open");
    default:
      return fail(Code::kInternal, text);
  }
}

base::Status Checkpoint::execute(const std::string& sql) {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return error("checkpoint");
  return {};
}

base::Result<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string& path) {
  sqlite3* raw = nullptr;
  mode_t before = ::umask(0077);  // it holds grants
  sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  std::unique_ptr<Checkpoint> checkpoint(
      new Checkpoint(path, std::unique_ptr<sqlite3, Close>(raw)));
  if (raw == nullptr) return fail(Code::kExhausted, "checkpoint " + path + ": out of memory");
  // Exclusive: one agent only, and so SQLite needs no shared-memory file beside it.
  base::Status status = sqlite3_errcode(raw) == SQLITE_OK
                            ? checkpoint->execute(
                                  "PRAGMA locking_mode=EXCLUSIVE;"
                                  "PRAGMA journal_mode=WAL;"
                                  "PRAGMA synchronous=FULL;"
                                  "PRAGMA foreign_keys=OFF;")
                            : base::Status(checkpoint->error("opening checkpoint"));
  if (status.ok()) status = checkpoint->prepare_schema();
  ::umask(before);
  if (!status.ok()) return status.error();
  return checkpoint;
}

base::Status Checkpoint::prepare_schema() {
  uint64_t version = 0;
  {
    Statement check(db_.get(), "PRAGMA quick_check(1)");
    if (check.step() != SQLITE_ROW) return error("checkpoint");
    if (check.text(0) != "ok")
      return fail(Code::kCorrupt, "checkpoint " + path_ + " is damaged (" +
                                      check.text(0).substr(0, 100) +
                                      "); put a backup there, or start once with --reset-state, "
                                      "which sets the file aside and forgets all slices");
    Statement row(db_.get(), "PRAGMA user_version");
    if (row.step() != SQLITE_ROW) return error("checkpoint");
    version = row.number(0);
  }
  if (version > kVersion)
    return fail(Code::kUnsupported, "checkpoint " + path_ + " has version " +
                                        std::to_string(version) + ", this agent knows " +
                                        std::to_string(kVersion) +
                                        "; start the newer release that wrote it");
  if (version == kVersion) return {};
  std::string steps;
  if (version == 0) {
    steps = kSchema;
  } else {
    for (uint64_t from = version; from < kVersion; ++from) steps += kUpgrades[from - 1];
  }
  return execute("BEGIN IMMEDIATE;" + steps + "PRAGMA user_version=" + std::to_string(kVersion) +
                 ";COMMIT;");
}

base::Result<std::string> Checkpoint::set_aside(const std::string& path) {
  for (int n = 1; n < 1000; ++n) {
    std::string aside = path + ".aside-" + std::to_string(n);
    if (::access(aside.c_str(), F_OK) == 0) continue;
    if (::rename(path.c_str(), aside.c_str()) != 0)
      return base::fail_errno("setting " + path + " aside");
    ::rename((path + "-wal").c_str(), (aside + "-wal").c_str());
    return aside;
  }
  return fail(Code::kConflict, "too many files set aside beside " + path + "; remove some");
}

base::Result<Stored> Checkpoint::load() {
  Stored stored;
  FLEXAI_TRY_ASSIGN(stored.boot, meta("boot"));
  FLEXAI_TRY_ASSIGN(std::string last, meta("last_id"));
  stored.last_id = strtoull(last.c_str(), nullptr, 10);
  FLEXAI_TRY_ASSIGN(stored.cards, load_cards());
  Statement slices(db_.get(),
                   "SELECT id,name,card,card_key,compute_milli,ceiling_milli,memory_bytes,qos,"
                   "priority,owner_uid,ephemeral,paused,residency FROM slices ORDER BY id");
  int rc;
  while ((rc = slices.step()) == SQLITE_ROW) {
    auto slice = read_slice(slices);
    if (!slice.ok())
      return fail(Code::kCorrupt, "checkpoint " + path_ + ", slice " + slices.text(1) + ": " +
                                      slice.error().message +
                                      "; put a backup there or start once with --reset-state");
    stored.slices.push_back(*slice);
  }
  if (rc != SQLITE_DONE) return error("reading checkpoint");
  Statement runs(db_.get(),
                 "SELECT id,grant_text,uid,pid,start,command,host,claim,tenant,away_host,away_run "
                 "FROM runs ORDER BY id");
  while ((rc = runs.step()) == SQLITE_ROW) {
    StoredRun run{runs.number(0),
                  runs.text(1),
                  static_cast<uint32_t>(runs.number(2)),
                  static_cast<pid_t>(runs.number(3)),
                  runs.number(4),
                  runs.text(5),
                  {},
                  runs.text(6),
                  runs.text(7),
                  runs.text(8),
                  {runs.text(9), runs.number(10)}};
    Statement members(db_.get(), "SELECT slice FROM run_slices WHERE run=? ORDER BY slice");
    members.bind(run.id);
    while (members.step() == SQLITE_ROW) run.slices.push_back(members.number(0));
    stored.runs.push_back(std::move(run));
  }
  if (rc != SQLITE_DONE) return error("reading checkpoint");
  return stored;
}

base::Status Checkpoint::put_slice(const StoredSlice& stored) {
  const model::Slice& slice = stored.slice;
  Statement row(db_.get(), "INSERT OR REPLACE INTO slices VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)");
  row.bind(stored.id).bind(slice.name).bind(slice.card).bind(stored.card_key);
  row.bind(slice.compute_milli).bind(slice.ceiling_milli).bind(slice.memory_bytes);
  row.bind(std::string(model::qos_name(slice.qos)));
  row.bind(std::string(model::priority_name(slice.priority)));
  row.bind(slice.owner_uid).bind(static_cast<uint32_t>(slice.ephemeral ? 1 : 0));
  row.bind(static_cast<uint32_t>(slice.paused ? 1 : 0));
  row.bind(std::string(model::residency_name(slice.residency)));
  if (!row.done()) return error("writing checkpoint");
  return {};
}

base::Status Checkpoint::put_run(const StoredRun& run) {
  Statement row(db_.get(), "INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?,?,?,?,?,?,?)");
  row.bind(run.id).bind(run.grant).bind(run.uid).bind(static_cast<int64_t>(run.pid));
  row.bind(run.start).bind(run.command).bind(run.host).bind(run.claim).bind(run.tenant);
  row.bind(run.away.host).bind(run.away.run);
  if (!row.done()) return error("writing checkpoint");
  for (uint64_t slice : run.slices) {
    Statement member(db_.get(), "INSERT OR REPLACE INTO run_slices VALUES(?,?)");
    if (!member.bind(run.id).bind(slice).done()) return error("writing checkpoint");
  }
  return {};
}

Checkpoint::~Checkpoint() { [[maybe_unused]] auto last = settle(); }

base::Status Checkpoint::save(const Change& change) {
  Change all = change;
  append(all.drop_slices, owed_.drop_slices);
  append(all.drop_runs, owed_.drop_runs);
  base::Status written = write(all);
  if (written.ok()) {
    owed_ = {};
    return {};
  }
  const Code code = written.error().code;
  const bool drops = change.put_slices.empty() && change.put_runs.empty();
  if (!drops || (code != Code::kExhausted && code != Code::kDenied)) return written;
  if (!owes())
    base::log(base::Level::kError, "checkpoint",
              "what was deleted is not written yet; it comes back if the agent ends before there "
              "is room",
              {{"why", written.error().message}});
  owed_.drop_slices = std::move(all.drop_slices);
  owed_.drop_runs = std::move(all.drop_runs);
  return {};
}

base::Status Checkpoint::settle() {
  if (!owes()) return {};
  FLEXAI_TRY(write(owed_));
  owed_ = {};
  base::log(base::Level::kInfo, "checkpoint", "what was deleted is written now");
  return {};
}

base::Status Checkpoint::write(const Change& change) {
  auto steps = [&]() -> base::Status {
    uint64_t highest = 0;
    // First: a name may come again.
    auto drop = [&](const char* sql, uint64_t id) -> base::Status {
      Statement row(db_.get(), sql);
      if (!row.bind(id).done()) return error("writing checkpoint");
      return {};
    };
    for (uint64_t id : change.drop_slices) {
      FLEXAI_TRY(drop("DELETE FROM slices WHERE id=?", id));
      FLEXAI_TRY(drop("DELETE FROM run_slices WHERE slice=?", id));
    }
    for (uint64_t id : change.drop_runs) {
      FLEXAI_TRY(drop("DELETE FROM runs WHERE id=?", id));
      FLEXAI_TRY(drop("DELETE FROM run_slices WHERE run=?", id));
    }
    for (const auto& slice : change.put_slices) {
      FLEXAI_TRY(put_slice(slice));
      highest = std::max(highest, slice.id);
    }
    for (const auto& run : change.put_runs) {
      FLEXAI_TRY(put_run(run));
      highest = std::max(highest, run.id);
    }
    if (highest == 0) return {};
    FLEXAI_TRY_ASSIGN(std::string last, meta("last_id"));
    if (strtoull(last.c_str(), nullptr, 10) >= highest) return {};
    return set_meta("last_id", std::to_string(highest));
  };
  FLEXAI_TRY(execute("BEGIN IMMEDIATE"));
  base::Status status = steps();
  if (status.ok()) status = execute("COMMIT");
  if (!status.ok()) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return status;
}

base::Result<std::string> Checkpoint::meta(const std::string& key) {
  Statement row(db_.get(), "SELECT value FROM meta WHERE key=?");
  row.bind(key);
  int rc = row.step();
  if (rc == SQLITE_ROW) return row.text(0);
  if (rc == SQLITE_DONE) return std::string();
  return error("reading checkpoint");
}

base::Status Checkpoint::set_meta(const std::string& key, const std::string& value) {
  Statement row(db_.get(), "INSERT OR REPLACE INTO meta VALUES(?,?)");
  if (!row.bind(key).bind(value).done()) return error("writing checkpoint");
  return {};
}

base::Status Checkpoint::set_boot(const std::string& boot) { return set_meta("boot", boot); }

base::Status Checkpoint::set_cards(const std::vector<model::Device>& cards) {
  nlohmann::json list = nlohmann::json::array();
  for (const model::Device& card : cards) list.push_back(model::to_json(card));
  return set_meta("cards", list.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// What cannot be read is not known: the probes will say it again.
base::Result<std::vector<model::Device>> Checkpoint::load_cards() {
  FLEXAI_TRY_ASSIGN(std::string text, meta("cards"));
  std::vector<model::Device> cards;
  auto list = model::parse_json(text);
  if (!list.ok() || !list->is_array()) return cards;
  for (const auto& item : *list) {
    auto card = model::device_from_json(item);
    if (!card.ok()) return std::vector<model::Device>();
    cards.push_back(std::move(*card));
  }
  return cards;
}

base::Result<uint64_t> Checkpoint::next_incarnation() {
  FLEXAI_TRY_ASSIGN(std::string last, meta("incarnation"));
  uint64_t next = strtoull(last.c_str(), nullptr, 10) + 1;
  FLEXAI_TRY(set_meta("incarnation", std::to_string(next)));
  return next;
}

}  // namespace flexai::agent
