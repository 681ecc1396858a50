# fish completion for banger; every answer comes from the program itself.

function __banger_complete
    set -l before (commandline -opc)
    set -l typed (commandline -ct)
    for line in ($before[1] internal complete -- $before[2..-1] "$typed" 2>/dev/null)
        switch $line
            case :file
                __fish_complete_path "$typed"
            case :directory
                __fish_complete_directories "$typed"
            case '*'
                echo $line
        end
    end
end

complete -c banger -f -a '(__banger_complete)'
