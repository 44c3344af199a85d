// A checkpoint somebody else has written. Input: a byte; 0: the rest is the whole file; else rows
// of a file of the right form: a table, then eleven fields (each a type, a length, the value).
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>

#include "agent/checkpoint.h"
#include "base/temporary_folder.h"
#include "test/fuzz/input.h"

using namespace flexai;
using test::must;

namespace {

constexpr const char* kInsert[] = {
    "INSERT OR REPLACE INTO slices VALUES(?,?,?,?,?,?,?,?,?,?,?)",
    "INSERT OR REPLACE INTO runs VALUES(?,?,?,?,?,?)",
    "INSERT OR REPLACE INTO run_slices VALUES(?,?)",
    "INSERT OR REPLACE INTO meta VALUES(?,?)",
};

void bind(sqlite3_stmt* row, int column, test::Input* input) {
  const auto type = input->take<uint8_t>() % 4;
  if (type == 0) sqlite3_bind_int64(row, column, input->take<int64_t>());
  if (type == 1) sqlite3_bind_int64(row, column, input->take<uint8_t>());
  if (type < 2) return;
  auto text = input->take_text(200);
  if (type == 2) {
    sqlite3_bind_text(row, column, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  } else {
    sqlite3_bind_blob(row, column, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
}

void write_rows(test::Input* input, const std::string& path) {
  must(agent::Checkpoint::open(path).ok(), "a new checkpoint can be made");
  sqlite3* db = nullptr;
  must(sqlite3_open(path.c_str(), &db) == SQLITE_OK, "and opened");
  for (int rows = 0; rows < 32 && !input->empty(); ++rows) {
    sqlite3_stmt* row = nullptr;
    sqlite3_prepare_v2(db, kInsert[input->take<uint8_t>() % 4], -1, &row, nullptr);
    for (int i = 1; i <= sqlite3_bind_parameter_count(row); ++i) bind(row, i, input);
    sqlite3_step(row);
    sqlite3_finalize(row);
  }
  sqlite3_close(db);
}

void load(const std::string& path) {
  auto checkpoint = agent::Checkpoint::open(path);
  if (!checkpoint.ok()) return must(!checkpoint.error().message.empty(), "a refusal says why");
  auto stored = (*checkpoint)->load();
  if (!stored.ok()) return must(!stored.error().message.empty(), "a refusal says why");
  for (const auto& slice : stored->slices)
    must(model::validate(slice.slice).ok(), "what is loaded is a slice");
  agent::Change change;
  change.put_slices = stored->slices;
  for (const auto& run : stored->runs) change.drop_runs.push_back(run.id);
  [[maybe_unused]] auto saved = (*checkpoint)->save(change);
  [[maybe_unused]] auto next = (*checkpoint)->next_incarnation();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  test::Input input(data, size);
  const bool whole_file = input.take<uint8_t>() == 0;
  base::TemporaryFolder folder("/dev/shm");  // no waiting for a disk
  const std::string path = folder / "state.db";
  if (whole_file) {
    std::ofstream(path, std::ios::binary) << input.rest();
  } else {
    write_rows(&input, path);
  }
  load(path);
  return 0;
}
