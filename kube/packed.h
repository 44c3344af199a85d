// Packed lists: objects as the API server sends them in protobuf, which costs it, and whoever reads
// them, a fraction of JSON. An object becomes the JSON text that it would have been, but for the
// fields that its Shape does not name: what reads objects reads both alike. Every byte is checked;
// what is not understood is kCorrupt. Source: the protobuf encoding guide; "Alternate
// representations of resources", Kubernetes API concepts; field numbers of k8s.io/api and
// k8s.io/apimachinery (test/e2e/kube/packed_test.py compares them). Threads: one for each object of
// these classes.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "kube/object_meta.h"
#include "kube/split.h"

namespace flexai::kube {

struct Shape;

// A field of a message. What is zero, false or empty is left out, as the server does in JSON, but
// for `kept`: there zero is something else than nothing.
struct PackedField {
  enum class As {
    kText,
    kBool,
    kInt,
    kQuantity,
    kTime,  // to the second
    kJson,  // bytes that are JSON already
    kMessage,
    kInline,  // its fields are written as those of the message around it
    kTexts,   // repeated, as are the next
    kQuantities,
    kMessages,
    kTextMap,
    kQuantityMap,
    kMessageMap,
  };
  uint32_t number = 0;
  const char* name = "";
  As as = As::kText;
  const Shape* of = nullptr;
  bool kept = false;
};

// The fields of a message that are wanted.
struct Shape {
  const char* name;  // of the message
  std::span<const PackedField> fields;
};

extern const Shape kPackedPod, kPackedNode, kPackedClaim, kPackedSlice;
// All that the above are made of, themselves included.
std::span<const Shape* const> all_shapes();

class Unpacker {
 public:
  // `text` has room behind it as ObjectText wants, until the next call.
  base::Result<ObjectText> object(const Shape& shape, std::string_view bytes);

 private:
  struct Piece {
    size_t field = 0;  // of the shape
    uint64_t number = 0;
    std::string_view bytes;
  };
  base::Status message(const Shape& shape, std::string_view bytes, int depth);
  base::Status fields(const Shape& shape, std::string_view bytes, int depth, bool* first);
  base::Status scan(const Shape& shape, std::string_view bytes);
  base::Status field(const PackedField& field, size_t begin, size_t end, size_t number, int depth,
                     bool* first);
  base::Status value(const PackedField& field, const Piece& piece, int depth);
  base::Status entry(const PackedField& field, std::string_view bytes, int depth);
  void text(std::string_view bytes);
  base::Status json(std::string_view bytes);

  std::string text_;
  std::vector<Piece> pieces_;
};

// Of a packed list that comes in pieces of any size: each object, and what is around them.
class PackedSplitter {
 public:
  explicit PackedSplitter(const SplitLimits& limits) : limits_(limits) {}
  // Calls `item` for every whole one, while it returns true.
  base::Status feed(std::string_view bytes, const std::function<bool(std::string_view)>& item);
  bool whole() const { return state_ == State::kTag && listed_ && header_.empty(); }
  // REQUIRES: whole()
  base::Result<ListEnvelope> envelope() const;

 private:
  enum class State { kMagic, kTag, kLength, kNumber, kBody };
  base::Status header(char c);
  base::Status tagged(uint64_t tag);
  base::Status sized(uint64_t size);

  const SplitLimits limits_;
  State state_ = State::kMagic;
  bool inside_ = false, listed_ = false;  // of the list itself; it has ended
  uint64_t left_ = 0;                     // bytes of the list
  uint64_t body_ = 0;                     // bytes of the present field
  uint64_t field_ = 0;
  std::string header_;  // of a number that is not whole
  std::string item_, meta_;
  std::string* into_ = nullptr;  // null: skipped
};

}  // namespace flexai::kube
