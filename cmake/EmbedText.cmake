# Writes OUTPUT: a C++ file defining `extern const std::string_view NAME` with the bytes of INPUT.
# Usage: cmake -DINPUT=a -DOUTPUT=b -DNAME=kName -DNAMESPACE=n -P EmbedText.cmake

file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "#include <string_view>

namespace ${NAMESPACE} {
namespace {
constexpr char kBytes[] = {
${bytes}0};
}
extern const std::string_view ${NAME};
const std::string_view ${NAME}{kBytes, sizeof kBytes - 1};
}  // namespace ${NAMESPACE}
")
