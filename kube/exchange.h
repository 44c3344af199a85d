// Exchange: one request on a connection, and what becomes of it. All calls come on the thread of
// the connection; after ended() there is none.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flexai::kube {

struct Ending {
  enum class How {
    kComplete,  // the answer is whole
    kReset,     // the server gave this request up
    kCut,       // the connection ended, or the answer without being whole; or there is none
    kTimeout,   // ours
    kDenied,    // ours: these credentials or this certificate make no connection
  };
  How how = How::kComplete;
  std::string why;  // one line, unless kComplete
  // The server has certainly not acted on the request: it was refused, or never sent.
  bool unprocessed = false;
};

class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual void answered(int http, std::string_view retry_after) = 0;
  // True: taken. False: kept for somebody who is slow; the server may send only so much more until
  // consumed() is told.
  virtual bool data(std::string_view bytes) = 0;
  virtual void ended(const Ending& ending) = 0;
};

// What a request says before its body.
struct RequestHead {
  std::string method;
  std::string scheme;  // https
  std::string authority;
  std::string path;
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
};

}  // namespace flexai::kube
