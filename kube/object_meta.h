// What the library itself reads of an object and of a watch event; the rest is the user's. Source:
// ObjectMeta and WatchEvent of Kubernetes' API conventions; parsed by simdjson, on demand. Threads:
// one at a time for a reader. Texts are valid until the reader's next call.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "kube/split.h"

namespace flexai::kube {

struct Meta {
  std::string_view ns, name, uid, resource_version;
  bool deleting = false;  // has a deletionTimestamp
};

enum class EventType { kAdded, kModified, kDeleted, kBookmark, kError };

struct WatchEvent {
  EventType type = EventType::kError;
  ObjectText object;  // of kError: a Status
};

class ObjectReader {
 public:
  ObjectReader();
  ~ObjectReader();

  // kCorrupt for anything that is no event. The object's text is a part of `line`.
  base::Result<WatchEvent> event(ObjectText line);
  // kCorrupt without a metadata object of texts; whether names are empty is up to the caller.
  base::Result<Meta> meta(ObjectText object);

 private:
  struct Parsers;
  std::unique_ptr<Parsers> parsers_;
};

// What is around the objects of a list.
struct ListEnvelope {
  std::string resource_version;
  std::string continue_token;  // empty: this was the last page
};
base::Result<ListEnvelope> read_envelope(std::string_view json);

}  // namespace flexai::kube
