# commit.cmake - writes the commit that is built into a header, only when it has changed. Run at each build: cmake -DOUT=FILE -DSOURCE=DIR -P
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=10 --exclude=* OUTPUT_VARIABLE commit ERROR_QUIET
	OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT commit)
	set(commit nocommit)
endif()
set(text "#define RINGLAB_COMMIT \"${commit}\"\n")
set(old "")
if(EXISTS "${OUT}")
	file(READ "${OUT}" old)
endif()
if(NOT old STREQUAL text)
	file(WRITE "${OUT}" "${text}")
endif()
