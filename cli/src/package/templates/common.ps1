$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$backupName = ''

function Say([string] $Text) { Write-Output "  $Text" }

function Test-Ready {
    if ([Environment]::Is64BitOperatingSystem -and -not [Environment]::Is64BitProcess) {
        throw 'This is a 32-bit PowerShell on a 64-bit Windows, which sees another System32. Start the 64-bit one.'
    }
    $identity = [Security.Principal.WindowsIdentity]::GetCurrent()
    $principal = New-Object Security.Principal.WindowsPrincipal($identity)
    if (-not $principal.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
        throw 'This changes applicationHost.config. Start PowerShell with "Run as administrator" and repeat.'
    }
    foreach ($text in @($Destination) + $Site) {
        if ($text -match '["\[\]]') { throw "A quotation mark or a bracket cannot be handed to appcmd: $text" }
    }
    if ($Destination.Contains("'")) { throw "An apostrophe cannot be handed to appcmd: $Destination" }
    if (-not $useAppCmd) {
        Import-Module IISAdministration
        Say 'appcmd.exe is not there; the IISAdministration cmdlets are used.'
    }
}

function Invoke-AppCmd([string[]] $Arguments) {
    $output = & $appcmd $Arguments
    if ($LASTEXITCODE -ne 0) { throw "appcmd $($Arguments -join ' ') failed ($LASTEXITCODE): $output" }
    return $output
}

function Backup-Configuration([string] $Name) {
    if ($useAppCmd) {
        [void] (Invoke-AppCmd @('add', 'backup', $Name))
    } else {
        $folder = Join-Path $inetsrv "backup\$Name"
        [void] (New-Item -ItemType Directory -Force -Path $folder)
        Copy-Item (Join-Path $inetsrv 'config\applicationHost.config') $folder
    }
    $script:backupName = $Name
    Say "Backed up the configuration of IIS as $Name."
}

# The entry called $Name in a section: what it says, or nothing when there is none.
# An empty $Location is the whole server.
function Get-Entry([string] $Section, [string] $Location, [string] $Name) {
    if ($useAppCmd) {
        $where = @('list', 'config')
        if ($Location) { $where += $Location }
        $xml = [xml] (Invoke-AppCmd ($where + "/section:$Section"))
        foreach ($node in $xml.SelectNodes('//add')) {
            if ($node.GetAttribute('name') -eq $Name) {
                return @{ image = $node.GetAttribute('image'); preCondition = $node.GetAttribute('preCondition') }
            }
        }
        return $null
    }
    $found = Get-IISConfigCollectionElement -ConfigCollection (Get-Collection $Section $Location) -ConfigAttribute @{ name = $Name }
    if (-not $found) { return $null }
    $entry = @{ preCondition = $found.GetAttributeValue('preCondition') }
    if ($Section -like '*globalModules') { $entry.image = $found.GetAttributeValue('image') }
    return $entry
}

function Get-Collection([string] $Section, [string] $Location) {
    $path = @{ SectionPath = $Section }
    if ($Location) { $path.Location = $Location }
    return Get-IISConfigCollection -ConfigElement (Get-IISConfigSection @path)
}

function Edit-AppCmd([string] $Section, [string] $Location, [string] $Change) {
    $where = @('set', 'config')
    if ($Location) { $where += $Location }
    [void] (Invoke-AppCmd ($where + @("/section:$Section", $Change, '/commit:apphost')))
}

function Remove-Entry([string] $Section, [string] $Location, [string] $Name) {
    if (-not (Get-Entry $Section $Location $Name)) { return $false }
    if ($useAppCmd) {
        Edit-AppCmd $Section $Location "/-[name='$Name']"
    } else {
        Remove-IISConfigCollectionElement -ConfigCollection (Get-Collection $Section $Location) -ConfigAttribute @{ name = $Name } -Confirm:$false
    }
    return $true
}

function Reset-Pool([string] $Name) {
    if ($useAppCmd) {
        $state = Invoke-AppCmd @('list', 'apppool', $Name, '/text:state')
        if ($state -ne 'Started') { Say "Application pool $Name is not running; it takes the change when it starts."; return }
        [void] (Invoke-AppCmd @('recycle', 'apppool', $Name))
    } else {
        $pool = Get-IISAppPool -Name $Name
        if ($pool.State -ne 'Started') { Say "Application pool $Name is not running; it takes the change when it starts."; return }
        [void] $pool.Recycle()
    }
    Say "Recycled application pool $Name."
}

# The pools named by -AppPool, and that of each site's root application.
function Get-Pools {
    $pools = @($AppPool)
    foreach ($one in $Site) {
        if ($useAppCmd) {
            $pools += Invoke-AppCmd @('list', 'app', "$one/", '/text:applicationPool')
        } else {
            $pools += (Get-IISSite -Name $one).Applications['/'].ApplicationPoolName
        }
    }
    return @($pools | Where-Object { $_ } | Sort-Object -Unique)
}

function Show-Failure($Problem) {
    Write-Output ''
    Write-Output "Failed: $Problem"
    if (-not $backupName) { Write-Output 'The configuration of IIS was not changed.'; return }
    if ($useAppCmd) {
        Write-Output "To go back to what was before: & `"$appcmd`" restore backup $backupName"
    } else {
        Write-Output "To go back to what was before, copy applicationHost.config from $inetsrv\backup\$backupName to $inetsrv\config."
    }
}
